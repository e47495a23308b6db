-- A search goes on from where it came to: packs that begin later are passed over without being read.
DROP INDEX task_pack_ends;
CREATE INDEX task_pack_ends ON task_pack (to_ms, began_ms, from_ms);
