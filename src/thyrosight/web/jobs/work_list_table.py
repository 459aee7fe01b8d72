"""The tables of the work-list in the queue's file: what was found in an item, who has read it, who may see it.

facts: by the network; read_risk, read_level, read_nodules are of an earlier version, which kept the newest reading.
said: by each reader of a still image; place 0 is the newest reading.
"""

from __future__ import annotations

WORK_LIST_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
  item_id TEXT PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE,
  risk REAL, level TEXT, num_nodules INTEGER, flags TEXT NOT NULL DEFAULT '', model_id TEXT, teaches REAL,
  read_risk REAL, read_level TEXT, read_nodules INTEGER
);
CREATE TABLE IF NOT EXISTS reader_states (
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE, who TEXT NOT NULL,
  verdict TEXT NOT NULL DEFAULT 'unread', num_read INTEGER NOT NULL DEFAULT 0, num_changed INTEGER NOT NULL DEFAULT 0,
  changed TEXT NOT NULL, PRIMARY KEY (item_id, who)
);
CREATE TABLE IF NOT EXISTS said (
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE, who TEXT NOT NULL, place INTEGER NOT NULL,
  risk REAL, level TEXT, num_nodules INTEGER NOT NULL, is_level_proposed INTEGER NOT NULL, PRIMARY KEY (item_id, who)
);
CREATE TABLE IF NOT EXISTS verdicts (
  number INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  who TEXT NOT NULL, verdict TEXT NOT NULL, saved_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS seen (
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE, frame INTEGER NOT NULL, who TEXT NOT NULL,
  PRIMARY KEY (item_id, who, frame)
);
CREATE INDEX IF NOT EXISTS said_last ON said (item_id) WHERE place = 0;
CREATE INDEX IF NOT EXISTS items_in_order ON items (job_id, sort_key, number);
"""
