-- What the owner set herself: who may see her presence, and what is shown of her while no session shows
-- anything. Versioned records.

ALTER TABLE account ADD COLUMN rules BLOB;
ALTER TABLE account ADD COLUMN hard_state BLOB;
