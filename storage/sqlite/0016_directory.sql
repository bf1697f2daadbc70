-- Who wants to be found in the directory of her domain: those alone are looked at when somebody searches.

CREATE INDEX account_listed ON account (address) WHERE json_extract(preferences, '$.listed') = 1 AND disabled = 0;
