"""Triggers as an expert writes them by hand, for one table and nothing else: the limit.

They know neither contexts nor suspensions. On PostgreSQL the condition stands in the function: a
``WHEN`` is prepared anew for each statement, which costs a single row more than the whole function
does. And where a join is planned once for statements of any size, nothing is compiled, as in ours:
else a statement of one row would cost 10 ms.
"""

from __future__ import annotations

from django.db import connection

POSTGRESQL_ROW = """
CREATE FUNCTION by_hand_row_insert() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (clock_timestamp(), 'insert', 'insert', txid_current(), NEW.id,
    NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened);
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_row_insert AFTER INSERT ON events_handrow
  FOR EACH ROW EXECUTE FUNCTION by_hand_row_insert();

CREATE FUNCTION by_hand_row_update() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF OLD.id IS DISTINCT FROM NEW.id OR OLD.name IS DISTINCT FROM NEW.name
    OR OLD.code IS DISTINCT FROM NEW.code OR OLD.city IS DISTINCT FROM NEW.city
    OR OLD.number IS DISTINCT FROM NEW.number OR OLD.price IS DISTINCT FROM NEW.price
    OR OLD.opened IS DISTINCT FROM NEW.opened
  THEN
    INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
      id, name, code, city, number, price, opened)
    VALUES (clock_timestamp(), 'update', 'update', txid_current(), NEW.id,
      NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened);
  END IF;
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_row_update AFTER UPDATE ON events_handrow
  FOR EACH ROW EXECUTE FUNCTION by_hand_row_update();

CREATE FUNCTION by_hand_row_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (clock_timestamp(), 'delete', 'delete', txid_current(), OLD.id,
    OLD.id, OLD.name, OLD.code, OLD.city, OLD.number, OLD.price, OLD.opened);
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_row_delete AFTER DELETE ON events_handrow
  FOR EACH ROW EXECUTE FUNCTION by_hand_row_delete();
"""

POSTGRESQL_STATEMENT = """
CREATE FUNCTION by_hand_statement_insert() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $body$
BEGIN
  INSERT INTO events_handstatementevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
    id, name, code, city, number, price, opened)
  SELECT clock_timestamp(), 'insert', 'insert', txid_current(), id,
    id, name, code, city, number, price, opened
  FROM new_rows;
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_statement_insert AFTER INSERT ON events_handstatement
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION by_hand_statement_insert();

CREATE FUNCTION by_hand_statement_update() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $body$
BEGIN
  INSERT INTO events_handstatementevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
    id, name, code, city, number, price, opened)
  SELECT clock_timestamp(), 'update', 'update', txid_current(), n.id,
    n.id, n.name, n.code, n.city, n.number, n.price, n.opened
  FROM old_rows o JOIN new_rows n ON n.id = o.id
  WHERE o.name IS DISTINCT FROM n.name
    OR o.code IS DISTINCT FROM n.code OR o.city IS DISTINCT FROM n.city
    OR o.number IS DISTINCT FROM n.number OR o.price IS DISTINCT FROM n.price
    OR o.opened IS DISTINCT FROM n.opened;
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_statement_update AFTER UPDATE ON events_handstatement
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION by_hand_statement_update();

CREATE FUNCTION by_hand_statement_delete() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $body$
BEGIN
  INSERT INTO events_handstatementevent (hr_created_at, hr_operation, hr_label, hr_txid, hr_obj_id,
    id, name, code, city, number, price, opened)
  SELECT clock_timestamp(), 'delete', 'delete', txid_current(), id,
    id, name, code, city, number, price, opened
  FROM old_rows;
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_statement_delete AFTER DELETE ON events_handstatement
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION by_hand_statement_delete();
"""

SQLITE_INSERT = """
CREATE TRIGGER by_hand_insert AFTER INSERT ON events_handrow
BEGIN
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'), 'insert', 'insert', NEW.id,
    NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened);
END"""

SQLITE_UPDATE = """
CREATE TRIGGER by_hand_update AFTER UPDATE ON events_handrow
WHEN OLD.id IS NOT NEW.id OR OLD.name IS NOT NEW.name
  OR OLD.code IS NOT NEW.code OR OLD.city IS NOT NEW.city
  OR OLD.number IS NOT NEW.number OR OLD.price IS NOT NEW.price
  OR OLD.opened IS NOT NEW.opened
BEGIN
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'), 'update', 'update', NEW.id,
    NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened);
END"""

SQLITE_DELETE = """
CREATE TRIGGER by_hand_delete AFTER DELETE ON events_handrow
BEGIN
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'), 'delete', 'delete', OLD.id,
    OLD.id, OLD.name, OLD.code, OLD.city, OLD.number, OLD.price, OLD.opened);
END"""

MARIADB_INSERT = """
CREATE TRIGGER by_hand_insert AFTER INSERT ON events_handrow FOR EACH ROW
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (UTC_TIMESTAMP(6), 'insert', 'insert', NEW.id,
    NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened)"""

# Texts that differ in their capitals alone are equal to most collations: hence BINARY.
MARIADB_UPDATE = """
CREATE TRIGGER by_hand_update AFTER UPDATE ON events_handrow FOR EACH ROW
BEGIN
  IF NOT (OLD.id <=> NEW.id AND BINARY OLD.name <=> BINARY NEW.name
    AND BINARY OLD.code <=> BINARY NEW.code AND BINARY OLD.city <=> BINARY NEW.city
    AND OLD.number <=> NEW.number AND OLD.price <=> NEW.price AND OLD.opened <=> NEW.opened)
  THEN
    INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
      id, name, code, city, number, price, opened)
    VALUES (UTC_TIMESTAMP(6), 'update', 'update', NEW.id,
      NEW.id, NEW.name, NEW.code, NEW.city, NEW.number, NEW.price, NEW.opened);
  END IF;
END"""

MARIADB_DELETE = """
CREATE TRIGGER by_hand_delete AFTER DELETE ON events_handrow FOR EACH ROW
  INSERT INTO events_handrowevent (hr_created_at, hr_operation, hr_label, hr_obj_id,
    id, name, code, city, number, price, opened)
  VALUES (UTC_TIMESTAMP(6), 'delete', 'delete', OLD.id,
    OLD.id, OLD.name, OLD.code, OLD.city, OLD.number, OLD.price, OLD.opened)"""

POSTGRESQL_IDLE = """
CREATE FUNCTION by_hand_idle() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RETURN NULL;
END $body$;
CREATE TRIGGER by_hand_idle AFTER INSERT OR UPDATE ON events_handidle
  FOR EACH ROW WHEN (current_setting('by_hand.never', true) IS NOT NULL)
  EXECUTE FUNCTION by_hand_idle();
"""

SQLITE_IDLE = """
CREATE TRIGGER by_hand_idle_{0} AFTER {0} ON events_handidle WHEN 0
BEGIN
  SELECT 1;
END"""

MARIADB_IDLE = """
CREATE TRIGGER by_hand_idle_{0} AFTER {0} ON events_handidle FOR EACH ROW
BEGIN
END"""

SCRIPTS = {
    "postgresql": [POSTGRESQL_ROW, POSTGRESQL_STATEMENT, POSTGRESQL_IDLE],
    "sqlite": [
        *(SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE),
        *map(SQLITE_IDLE.format, ("insert", "update")),
    ],
    "mysql": [
        *(MARIADB_INSERT, MARIADB_UPDATE, MARIADB_DELETE),
        *map(MARIADB_IDLE.format, ("insert", "update")),
    ],
}


def install() -> None:
    """Create the triggers."""
    with connection.cursor() as cursor:
        for script in SCRIPTS[connection.vendor]:
            cursor.execute(script)
