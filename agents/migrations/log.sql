-- The execution log: partitioned by month, isolated by tenant, in the partitions too. The default partition
-- catches a row whose month is missing, so that no row is ever lost to a forgotten job.
CREATE TABLE agent_execution_log (
  id uuid NOT NULL, agent_id varchar(100) NOT NULL, tenant_id uuid NOT NULL, user_id uuid NOT NULL,
  version varchar(20) NOT NULL, version_reason varchar(10) NOT NULL, content_hash varchar(64) NOT NULL,
  provider varchar(50) NOT NULL, model varchar(100) NOT NULL,
  tokens_used integer NOT NULL, input_tokens integer NOT NULL, output_tokens integer NOT NULL,
  usage_estimated boolean NOT NULL, execution_time_ms integer NOT NULL, first_token_ms integer,
  status varchar(20) NOT NULL, error_code varchar(50) NOT NULL, error_message text NOT NULL,
  customized boolean NOT NULL, demo boolean NOT NULL, created_at timestamptz NOT NULL,
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX agent_execution_log_agent ON agent_execution_log (agent_id, tenant_id, created_at);
CREATE INDEX agent_execution_log_tenant ON agent_execution_log (tenant_id, created_at DESC);
CREATE TABLE agent_execution_log_default PARTITION OF agent_execution_log DEFAULT;
SELECT app_isolate('agent_execution_log');
SELECT app_isolate('agent_execution_log_default');
-- Evidence is added, never changed.
REVOKE UPDATE, DELETE ON agent_execution_log, agent_execution_log_default FROM {app};

SELECT app_govern('agent_definitions',
  '{"object": "agent", "id": "agent_id", "ignore": ["updated_at", "first_execution_at"], "topic": "agents"}');
