-- A ledger of schema 1, as the copierd of that time wrote it: three accounts, two rounds, one follower busy.
BEGIN TRANSACTION;
CREATE TABLE accounts (
    name  TEXT PRIMARY KEY,
    first TEXT NOT NULL,                -- before its first turn: where a replay begins
    saved TEXT NOT NULL,
    turn  INTEGER NOT NULL              -- the last turn that `saved` includes
) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES('eval1','{"name":"eval1","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}','{"name":"eval1","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}',3);
INSERT INTO "accounts" VALUES('eval2','{"name":"eval2","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}','{"name":"eval2","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}',7);
INSERT INTO "accounts" VALUES('lead','{"name":"lead","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}','{"name":"lead","connection":{"kind":"Stopped","since":"2026-11-20T18:00:00.000000Z"},"book":{"positions":{},"copies":{},"contracts":{},"placed":{},"names":{},"orders":{},"open":{}},"paused":false,"failures":0}',0);
CREATE TABLE copies (
    seq             INTEGER PRIMARY KEY, -- in the order of decision
    id              TEXT NOT NULL,
    copy            TEXT NOT NULL,
    follower        TEXT NOT NULL,
    leader_order_id INTEGER,
    leader_fill_id  INTEGER,
    verb            TEXT NOT NULL,
    cl_ord_id       TEXT NOT NULL,
    symbol          TEXT NOT NULL,
    action          TEXT NOT NULL,
    quantity        INTEGER,
    order_type      TEXT,
    price           TEXT,               -- exact, as in the core
    stop_price      TEXT,
    outcome         TEXT NOT NULL,
    reason          TEXT,
    order_id        INTEGER,
    decided_at      TEXT NOT NULL,
    sent_at         TEXT,
    answered_at     TEXT,
    latency_ms      REAL,
    -- An id is a digest of broker account ids, which demo and live may give twice; with the follower it is one row.
    UNIQUE (id, follower)
) STRICT;
INSERT INTO "copies" VALUES(1,'cpd-wcwcbqnb5rslmg44rualidnydlnh4655','main','eval1',1,NULL,'place','cpd-wcwcbqnb5rslmg44rualidnydlnh4655','ESZ6','Buy',1,'Limit','5000.25',NULL,'intended',NULL,NULL,'2026-11-20T18:00:00.004000Z',NULL,NULL,NULL);
INSERT INTO "copies" VALUES(2,'cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx','main','eval1',2,NULL,'place','cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx','ESZ6','Buy',1,'Limit','5000.25',NULL,'intended',NULL,NULL,'2026-11-20T18:00:00.005000Z',NULL,NULL,NULL);
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('last_stop','clean');
CREATE TABLE logins (
    login            TEXT PRIMARY KEY,
    token            TEXT,
    token_expires_at TEXT,
    user_id          INTEGER,
    device_id        TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO "logins" VALUES('apex','a-token','2026-11-20T12:00:00.000000Z',7,'3b0d');
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    leader   TEXT NOT NULL,
    follower TEXT NOT NULL,
    event    TEXT NOT NULL,
    turn     INTEGER,                   -- the leader's turn that announced it
    consumed INTEGER                    -- the follower's turn that took it
) STRICT;
INSERT INTO "outbox" VALUES(1,'2026-11-20T18:00:00.004000Z','lead','eval2','{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.004000Z","leader":"lead","order":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10},"generation":1}',12,NULL);
INSERT INTO "outbox" VALUES(2,'2026-11-20T18:00:00.005000Z','lead','eval2','{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.005000Z","leader":"lead","order":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20},"generation":1}',14,NULL);
CREATE TABLE traces (                   -- which turns changed a copy: the way of a `why`
    copy TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (copy, turn)
) STRICT, WITHOUT ROWID;
INSERT INTO "traces" VALUES('cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx',14);
INSERT INTO "traces" VALUES('cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx',15);
INSERT INTO "traces" VALUES('cpd-wcwcbqnb5rslmg44rualidnydlnh4655',12);
INSERT INTO "traces" VALUES('cpd-wcwcbqnb5rslmg44rualidnydlnh4655',13);
CREATE TABLE turns (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    account TEXT NOT NULL,
    state   TEXT NOT NULL,              -- the leaf after the turn
    event   TEXT NOT NULL,
    effects TEXT NOT NULL,
    changes TEXT NOT NULL,
    failed  TEXT                        -- the traceback of a turn that raised
) STRICT;
INSERT INTO "turns" VALUES(1,'2026-11-20T18:00:00.001000Z','lead','Dialing','{"kind":"Started","at":"2026-11-20T18:00:00.001000Z"}','[{"kind":"WakeAt","at":null}]','{"connection":{"kind":"Dialing","since":"2026-11-20T18:00:00.001000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(2,'2026-11-20T18:00:00.001000Z','lead','Resyncing','{"kind":"Authorized","at":"2026-11-20T18:00:00.001000Z"}','[]','{"connection":{"kind":"Resyncing","since":"2026-11-20T18:00:00.001000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(3,'2026-11-20T18:00:00.001000Z','lead','Copying','{"kind":"SnapshotTaken","at":"2026-11-20T18:00:00.001000Z","snapshot":{"broker_id":1,"taken_at":"2026-11-20T18:00:00.001000Z","orders":{},"positions":{}}}','[{"kind":"Tell","event":"connection.fixed","message":"Connected: read anew, copying","severity":"info"},{"kind":"Announce","event":{"kind":"LeaderViewTaken","at":"2026-11-20T18:00:00.001000Z","leader":"lead","view":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true}}},{"kind":"Tell","event":"leader.back","message":"leader lead is read anew; its followers compare themselves with it","severity":"info"}]','{"connection":{"kind":"Copying","since":"2026-11-20T18:00:00.001000Z","attempt":0},"book":{"mine":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true}}}',NULL);
INSERT INTO "turns" VALUES(4,'2026-11-20T18:00:00.002000Z','eval1','Dialing','{"kind":"Started","at":"2026-11-20T18:00:00.002000Z"}','[{"kind":"WakeAt","at":null}]','{"connection":{"kind":"Dialing","since":"2026-11-20T18:00:00.002000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(5,'2026-11-20T18:00:00.002000Z','eval1','Resyncing','{"kind":"Authorized","at":"2026-11-20T18:00:00.002000Z"}','[]','{"connection":{"kind":"Resyncing","since":"2026-11-20T18:00:00.002000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(6,'2026-11-20T18:00:00.002000Z','eval1','Copying','{"kind":"SnapshotTaken","at":"2026-11-20T18:00:00.002000Z","snapshot":{"broker_id":2,"taken_at":"2026-11-20T18:00:00.002000Z","orders":{},"positions":{}}}','[{"kind":"Tell","event":"connection.fixed","message":"Connected: read anew, copying","severity":"info"}]','{"connection":{"kind":"Copying","since":"2026-11-20T18:00:00.002000Z","attempt":0},"book":{"mine":{"broker_id":2,"generation":1,"orders":{},"net":{},"current":true}}}',NULL);
INSERT INTO "turns" VALUES(7,'2026-11-20T18:00:00.001000Z','eval1','Copying','{"kind":"LeaderViewTaken","at":"2026-11-20T18:00:00.001000Z","leader":"lead","view":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true}}','[]','{"book":{"theirs":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true},"caught_up":[1,1]}}',NULL);
INSERT INTO "turns" VALUES(8,'2026-11-20T18:00:00.003000Z','eval2','Dialing','{"kind":"Started","at":"2026-11-20T18:00:00.003000Z"}','[{"kind":"WakeAt","at":null}]','{"connection":{"kind":"Dialing","since":"2026-11-20T18:00:00.003000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(9,'2026-11-20T18:00:00.003000Z','eval2','Resyncing','{"kind":"Authorized","at":"2026-11-20T18:00:00.003000Z"}','[]','{"connection":{"kind":"Resyncing","since":"2026-11-20T18:00:00.003000Z","attempt":0}}',NULL);
INSERT INTO "turns" VALUES(10,'2026-11-20T18:00:00.003000Z','eval2','Copying','{"kind":"SnapshotTaken","at":"2026-11-20T18:00:00.003000Z","snapshot":{"broker_id":3,"taken_at":"2026-11-20T18:00:00.003000Z","orders":{},"positions":{}}}','[{"kind":"Tell","event":"connection.fixed","message":"Connected: read anew, copying","severity":"info"}]','{"connection":{"kind":"Copying","since":"2026-11-20T18:00:00.003000Z","attempt":0},"book":{"mine":{"broker_id":3,"generation":1,"orders":{},"net":{},"current":true}}}',NULL);
INSERT INTO "turns" VALUES(11,'2026-11-20T18:00:00.001000Z','eval2','Copying','{"kind":"LeaderViewTaken","at":"2026-11-20T18:00:00.001000Z","leader":"lead","view":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true}}','[]','{"book":{"theirs":{"broker_id":1,"generation":1,"orders":{},"net":{},"current":true},"caught_up":[1,1]}}',NULL);
INSERT INTO "turns" VALUES(12,'2026-11-20T18:00:00.004000Z','lead','Copying','{"kind":"OrderSeen","at":"2026-11-20T18:00:00.004000Z","order":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10}}','[{"kind":"Announce","event":{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.004000Z","leader":"lead","order":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10},"generation":1}}]','{"book":{"mine":{"orders":{"1":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10}}}}}',NULL);
INSERT INTO "turns" VALUES(13,'2026-11-20T18:00:00.004000Z','eval1','Copying','{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.004000Z","leader":"lead","order":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10},"generation":1}','[{"kind":"PlaceOrder","copy":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655","client_id":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655","account":2,"priority":3,"symbol":"ESZ6","side":"Buy","terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"}}]','{"book":{"theirs":{"orders":{"1":{"id":1,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":10}}},"copies":{"cpd-wcwcbqnb5rslmg44rualidnydlnh4655":{"id":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655","client_id":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655","copy":"main","verb":"place","symbol":"ESZ6","side":"Buy","stage":"intended","decided_at":"2026-11-20T18:00:00.004000Z","attempt":0,"cause":10,"kind":"entry","meant":1,"opens":0,"filled":0,"earlier":0,"wanted_version":10,"changes":0,"restore":false,"absent":0,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"leader_order_id":1,"leader_symbol":"ESZ6"}},"placed":{"1":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655"},"names":{"cpd-wcwcbqnb5rslmg44rualidnydlnh4655":"cpd-wcwcbqnb5rslmg44rualidnydlnh4655"},"open":{"ESZ6":["cpd-wcwcbqnb5rslmg44rualidnydlnh4655"]}}}',NULL);
INSERT INTO "turns" VALUES(14,'2026-11-20T18:00:00.005000Z','lead','Copying','{"kind":"OrderSeen","at":"2026-11-20T18:00:00.005000Z","order":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20}}','[{"kind":"Announce","event":{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.005000Z","leader":"lead","order":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20},"generation":1}}]','{"book":{"mine":{"orders":{"2":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20}}}}}',NULL);
INSERT INTO "turns" VALUES(15,'2026-11-20T18:00:00.005000Z','eval1','Copying','{"kind":"LeaderOrderSeen","at":"2026-11-20T18:00:00.005000Z","leader":"lead","order":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20},"generation":1}','[{"kind":"PlaceOrder","copy":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx","client_id":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx","account":2,"priority":3,"symbol":"ESZ6","side":"Buy","terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"}}]','{"book":{"theirs":{"orders":{"2":{"id":2,"symbol":"ESZ6","side":"Buy","status":"Working","at":"2026-11-20T18:00:00.000000Z","fills":[],"client_ids":[],"admin":false,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"version":20}}},"copies":{"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx":{"id":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx","client_id":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx","copy":"main","verb":"place","symbol":"ESZ6","side":"Buy","stage":"intended","decided_at":"2026-11-20T18:00:00.005000Z","attempt":0,"cause":20,"kind":"entry","meant":1,"opens":0,"filled":0,"earlier":0,"wanted_version":20,"changes":0,"restore":false,"absent":0,"terms":{"quantity":1,"order_type":"Limit","time_in_force":"Day","price":"5000.25"},"leader_order_id":2,"leader_symbol":"ESZ6"}},"placed":{"2":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx"},"names":{"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx":"cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx"},"open":{"ESZ6":["cpd-wcwcbqnb5rslmg44rualidnydlnh4655","cpd-qn4lhb3l3zalvzg6457nazlpi5cpumpx"]}}}',NULL);
CREATE INDEX turns_of_account ON turns (account);
CREATE INDEX outbox_waiting ON outbox (follower) WHERE consumed IS NULL;
CREATE INDEX copies_of_follower ON copies (follower);
CREATE INDEX copies_of_outcome ON copies (outcome);
CREATE INDEX copies_of_leader_order ON copies (leader_order_id);
CREATE INDEX copies_of_order ON copies (order_id);
CREATE INDEX copies_decided ON copies (decided_at);
COMMIT;
PRAGMA application_id = 1668310065;
PRAGMA user_version = 1;
