-- Patient portal, release 1.4: appointments get a channel and a price, messages move to their own table.
-- Target: production, PostgreSQL 17. Written for the QUALISYS demo; some of its faults are deliberate.

ALTER TABLE appointment ADD COLUMN channel varchar(20) NOT NULL DEFAULT 'portal';
ALTER TABLE appointment ADD COLUMN price real;
ALTER TABLE appointment ALTER COLUMN reason TYPE varchar(100);

CREATE TABLE message (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id   bigint NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
    clinician_id bigint REFERENCES clinician (id),
    subject      varchar(200) NOT NULL,
    body         text NOT NULL,
    sent_at      timestamp NOT NULL DEFAULT now()
);

INSERT INTO message (patient_id, clinician_id, subject, body, sent_at)
SELECT patient_id, clinician_id, coalesce(subject, '(none)'), body, created_at
FROM contact_request
WHERE kind = 'message';

CREATE INDEX message_sent_at_idx ON message (sent_at);
CREATE UNIQUE INDEX patient_email_key ON patient (lower(email));

ALTER TABLE patient ADD CONSTRAINT patient_born_check CHECK (born_on <= current_date);
ALTER TABLE clinician RENAME COLUMN title TO academic_title;

UPDATE appointment SET channel = 'phone';
DELETE FROM contact_request WHERE kind = 'message';
DROP TABLE appointment_import_2023;

GRANT SELECT ON message TO PUBLIC;
