-- The database of QUALISYS and the three roles that use it. Run it as an administrator, before the first
-- migration; running it again changes nothing. It asks for PostgreSQL 15 or newer.
--
--   owner     owns the database and everything in it: migrations, tenant creation, the maintenance queue
--   app       reads and writes rows of what the owner creates, and nothing else: it owns nothing, creates
--             nothing, truncates nothing and cannot step around row-level security
--   readonly  reads rows
--
-- The embedded server is set up with this file. For a server of your own, either
--
--   python -m qualisys.embedded.roles --admin-url postgresql://... --apply      prints the three addresses, or
--   psql -v owner=qualisys_owner -v app=qualisys_app -v readonly=qualisys_readonly -v database=qualisys \
--        -v ON_ERROR_STOP=1 -f qualisys/embedded/roles.sql 'postgresql://...'   then \password each role
--
-- The administrator needs no superuser: CREATEROLE and CREATEDB are enough.

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', name)
FROM unnest(ARRAY[:'owner', :'app', :'readonly']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- A role that existed before and may do too much is cut down, or the script stops here.
SELECT format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', rolname)
FROM pg_roles
WHERE rolname IN (:'owner', :'app', :'readonly')
  AND (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication)
\gexec

SELECT format('ALTER ROLE %I SET default_transaction_read_only = on', rolname)
FROM pg_roles
WHERE rolname = :'readonly'
  AND NOT coalesce('default_transaction_read_only=on' = ANY (rolconfig), false)
\gexec

-- An administrator who is no superuser may act for the owner only as its member.
SELECT format('GRANT %I TO CURRENT_USER', :'owner')
FROM pg_roles
WHERE rolname = current_user AND NOT rolsuper
\gexec

SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8''', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

SELECT format('ALTER DATABASE %I OWNER TO %I', datname, :'owner')
FROM pg_database
WHERE datname = :'database' AND pg_get_userbyid(datdba) <> :'owner'
\gexec

\connect :"database"

SET ROLE :"owner";

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;

GRANT CONNECT ON DATABASE :"database" TO :"app", :"readonly";

REVOKE ALL ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO :"app", :"readonly";

-- What the owner creates from now on, in this schema and in every tenant's schema to come.
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO :"app", :"readonly";

ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";

ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO :"readonly";

ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO :"app";

-- A function is granted by the migration that creates it.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

RESET ROLE;
