-- The rules of an account on who may follow its calls, as bytes.
ALTER TABLE account ADD COLUMN call_rules BLOB;
