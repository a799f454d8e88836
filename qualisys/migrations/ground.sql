-- The ground every table stands on: isolation, the audit chain, cache staleness. {app} is the app's role.

CREATE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;
CREATE FUNCTION app_is_platform() RETURNS boolean LANGUAGE sql STABLE
  AS $$ SELECT coalesce(current_setting('app.platform', true), '') <> '' $$;
GRANT EXECUTE ON FUNCTION app_tenant(), app_is_platform() TO PUBLIC;

-- One line isolates a shared table by its tenant_id, forced on its owner too.
CREATE FUNCTION app_isolate(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (tenant_id = app_tenant() OR app_is_platform())'
                 ' WITH CHECK (tenant_id = app_tenant() OR app_is_platform())', target);
END $$;
SELECT app_isolate('qualisys_outboxevent');

-- The audit chain: one per tenant and, under the nil UUID, one for the platform. An event's hash covers the
-- stored bytes of its body and the hash before it. Personal values are only in the body as salted digests.
CREATE TABLE audit_chain (tenant_id uuid PRIMARY KEY, seq bigint NOT NULL, hash bytea NOT NULL);
CREATE TABLE audit_event (
  tenant_id uuid NOT NULL, seq bigint NOT NULL, at timestamptz NOT NULL, actor text NOT NULL,
  action text NOT NULL, object_type text NOT NULL, object_id text NOT NULL,
  body text NOT NULL, hash bytea NOT NULL, PRIMARY KEY (tenant_id, seq));
CREATE INDEX audit_event_object ON audit_event (tenant_id, object_type, object_id, seq);
CREATE TABLE audit_personal (
  tenant_id uuid NOT NULL, seq bigint NOT NULL, field text NOT NULL, salt bytea NOT NULL, value text NOT NULL,
  PRIMARY KEY (tenant_id, seq, field));
CREATE TABLE audit_pending (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id uuid NOT NULL, body jsonb NOT NULL, personal jsonb NOT NULL DEFAULT '[]');

REVOKE ALL ON audit_chain, audit_event, audit_personal, audit_pending FROM {app};
GRANT SELECT ON audit_event, audit_personal TO {app};

DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['audit_chain', 'audit_event', 'audit_personal', 'audit_pending'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant_reads ON %I FOR SELECT USING (tenant_id = app_tenant() OR app_is_platform())', t);
    EXECUTE format('CREATE POLICY chain_writes ON %I FOR INSERT TO CURRENT_USER WITH CHECK (true)', t);
  END LOOP;
END $$;
-- Sealing advances the chain's head and clears what it sealed; events themselves have no UPDATE or DELETE policy.
CREATE POLICY seal_reads ON audit_chain FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY seal_advances ON audit_chain FOR UPDATE TO CURRENT_USER USING (true);
CREATE POLICY seal_reads ON audit_pending FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY seal_clears ON audit_pending FOR DELETE TO CURRENT_USER USING (tx = pg_current_xact_id());

CREATE FUNCTION audit_append(chain uuid, what text, kind text, which text, old_row jsonb, new_row jsonb, personal jsonb)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO public.audit_pending (tenant_id, body, personal) VALUES (chain, jsonb_build_object(
    'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'actor', coalesce(nullif(current_setting('app.actor', true), ''), 'system'),
    'action', what, 'object_type', kind, 'object_id', which,
    'request_id', coalesce(current_setting('app.request_id', true), ''),
    'reason', coalesce(current_setting('app.reason', true), ''),
    'before', old_row, 'after', new_row), personal) $$;

-- What is not a row change is recorded by calling this (qualisys.audit.record).
CREATE FUNCTION audit_record(what text, kind text, which text, tenant uuid, old_row jsonb, new_row jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT app_is_platform() AND tenant IS DISTINCT FROM app_tenant() THEN
    RAISE EXCEPTION 'an audit event belongs to the tenant that causes it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM audit_append(coalesce(tenant, '00000000-0000-0000-0000-000000000000'), what, kind, which, old_row, new_row, '[]');
END $$;
GRANT EXECUTE ON FUNCTION audit_record(text, text, text, uuid, jsonb, jsonb) TO {app};

-- Replace the values under `fields` by salted digests; the values themselves go to audit_personal, erasable.
CREATE FUNCTION audit_mask(side text, INOUT body jsonb, fields text[], INOUT personal jsonb)
LANGUAGE plpgsql AS $$
DECLARE field text; salt bytea; value text;
BEGIN
  FOREACH field IN ARRAY fields LOOP
    value := body ->> field;
    CONTINUE WHEN value IS NULL;
    salt := uuid_send(gen_random_uuid());
    body := jsonb_set(body, ARRAY[field], jsonb_build_object('digest', encode(sha256(salt || convert_to(value, 'UTF8')), 'hex')));
    personal := personal || jsonb_build_object('field', side || '.' || field, 'salt', encode(salt, 'hex'), 'value', value);
  END LOOP;
END $$;

-- The trigger of a governed table. Its argument is JSON: object (type in the trail), id (column that names the
-- row), personal / secret / ignore (columns), topic (whose caches go stale; "@column" takes the row's value).
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  rule jsonb := TG_ARGV[0];
  old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
  whole jsonb := coalesce(new_row, old_row);
  personal jsonb := '[]';
  names text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(rule -> 'personal', '[]')));
  key text;
BEGIN
  FOR key IN SELECT jsonb_array_elements_text(coalesce(rule -> 'ignore', '[]')) LOOP
    old_row := old_row - key; new_row := new_row - key;
  END LOOP;
  IF TG_OP = 'UPDATE' THEN
    FOR key IN SELECT jsonb_object_keys(new_row) LOOP
      IF old_row -> key IS NOT DISTINCT FROM new_row -> key THEN
        old_row := old_row - key; new_row := new_row - key;
      END IF;
    END LOOP;
    IF new_row = '{}' THEN RETURN NULL; END IF;
  END IF;
  FOR key IN SELECT jsonb_array_elements_text(coalesce(rule -> 'secret', '[]')) LOOP
    IF old_row ? key THEN old_row := jsonb_set(old_row, ARRAY[key], '"[secret]"'); END IF;
    IF new_row ? key THEN new_row := jsonb_set(new_row, ARRAY[key], '"[secret]"'); END IF;
  END LOOP;
  IF old_row IS NOT NULL THEN SELECT * INTO old_row, personal FROM audit_mask('before', old_row, names, personal); END IF;
  IF new_row IS NOT NULL THEN SELECT * INTO new_row, personal FROM audit_mask('after', new_row, names, personal); END IF;
  PERFORM audit_append(
    coalesce((whole ->> 'tenant_id')::uuid, '00000000-0000-0000-0000-000000000000'),
    (rule ->> 'object') || '.' || CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
    rule ->> 'object', whole ->> (rule ->> 'id'), old_row, new_row, personal);
  IF rule ? 'topic' THEN
    key := rule ->> 'topic';
    IF key LIKE '@%' THEN key := coalesce(whole ->> substr(key, 2), 'platform'); END IF;
    INSERT INTO qualisys_outboxevent (topic, tenant_id, payload, attempts, created_at)
      VALUES ('cache.stale', (whole ->> 'tenant_id')::uuid, jsonb_build_object('topic', key), 0, now());
    PERFORM pg_notify('outbox', '');
  END IF;
  RETURN NULL;
END $$;

-- One line makes a table governed.
CREATE FUNCTION app_govern(target regclass, rule jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW'
                 ' EXECUTE FUNCTION public.audit_row(%L)', target, rule::text);
END $$;

-- At commit the pending events of a transaction join their chains, chains in sorted order, so that two
-- transactions that touch the same chains never wait for each other crosswise.
CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  chain uuid; head audit_chain; p audit_pending; line jsonb;
BEGIN
  FOR chain IN SELECT DISTINCT tenant_id FROM audit_pending WHERE tx = pg_current_xact_id() ORDER BY 1 LOOP
    INSERT INTO audit_chain VALUES (chain, 0, ''::bytea) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_chain WHERE tenant_id = chain FOR UPDATE;
    FOR p IN SELECT * FROM audit_pending WHERE tx = pg_current_xact_id() AND tenant_id = chain ORDER BY id LOOP
      head.seq := head.seq + 1;
      head.hash := sha256(head.hash || int8send(head.seq) || convert_to(p.body::text, 'UTF8'));
      INSERT INTO audit_event (tenant_id, seq, at, actor, action, object_type, object_id, body, hash)
        VALUES (chain, head.seq, (p.body ->> 'at')::timestamptz, p.body ->> 'actor', p.body ->> 'action',
                p.body ->> 'object_type', coalesce(p.body ->> 'object_id', ''), p.body::text, head.hash);
      FOR line IN SELECT jsonb_array_elements(p.personal) LOOP
        INSERT INTO audit_personal VALUES (chain, head.seq, line ->> 'field', decode(line ->> 'salt', 'hex'), line ->> 'value');
      END LOOP;
    END LOOP;
    UPDATE audit_chain SET seq = head.seq, hash = head.hash WHERE tenant_id = chain;
  END LOOP;
  DELETE FROM audit_pending WHERE tx = pg_current_xact_id();
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_seal AFTER INSERT ON audit_pending DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION audit_seal();
