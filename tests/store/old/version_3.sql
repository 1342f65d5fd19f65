PRAGMA application_id = 1836412513;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE artifact (
        sha256 TEXT PRIMARY KEY NOT NULL,
        size_bytes INTEGER NOT NULL,
        data BLOB NOT NULL
    );
INSERT INTO "artifact" VALUES('277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9',5,X'6279746573');
CREATE TABLE candidate (
        candidate_id INTEGER PRIMARY KEY CHECK (candidate_id >= 1),
        architecture TEXT NOT NULL,
        architecture_sha256 TEXT NOT NULL,
        parent_id INTEGER REFERENCES candidate (candidate_id),
        morphism TEXT,
        macs INTEGER NOT NULL,
        peak_memory_bytes INTEGER NOT NULL,
        model_size_bytes INTEGER NOT NULL,
        asked_at TEXT NOT NULL
    );
INSERT INTO "candidate" VALUES(1,'{"classes":10,"dense":[8],"input":[8,8,1],"space":"mlp"}','0000000000000000000000000000000000000000000000000000000000000001',NULL,NULL,1000,100,900,'2026-11-24T00:00:01.000+00:00');
INSERT INTO "candidate" VALUES(2,'{"classes":10,"dense":[8],"input":[8,8,1],"space":"mlp"}','0000000000000000000000000000000000000000000000000000000000000002',1,'dense-grow',2000,100,900,'2026-11-24T00:00:01.000+00:00');
INSERT INTO "candidate" VALUES(3,'{"classes":10,"dense":[8],"input":[8,8,1],"space":"mlp"}','0000000000000000000000000000000000000000000000000000000000000003',1,'dense-grow',3000,100,900,'2026-11-24T00:00:01.000+00:00');
CREATE TABLE event (
        event_id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        created_at TEXT NOT NULL
    );
INSERT INTO "event" VALUES(1,'started','{}','2026-11-24T00:00:01.000+00:00');
INSERT INTO "event" VALUES(2,'interrupted','{}','2026-11-24T00:00:01.000+00:00');
CREATE TABLE final (
        final_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL REFERENCES candidate (candidate_id),
        seed INTEGER CHECK (seed >= 0),
        test_accuracy_int8 REAL NOT NULL CHECK (test_accuracy_int8 BETWEEN 0 AND 1),
        created_at TEXT NOT NULL
    );
INSERT INTO "final" VALUES(1,1,NULL,0.88,'2026-11-24T00:00:01.000+00:00');
CREATE TABLE measurement (
        measurement_id INTEGER PRIMARY KEY,
        candidate_id INTEGER REFERENCES candidate (candidate_id),
        measurement TEXT NOT NULL,
        source TEXT NOT NULL,
        board TEXT NOT NULL,
        engine TEXT NOT NULL,
        created_at TEXT NOT NULL
    );
INSERT INTO "measurement" VALUES(1,1,'{"cycles":5}','emulated','emulated_stm32l4r5','aot','2026-11-24T00:00:01.000+00:00');
CREATE TABLE result (
        result_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL REFERENCES candidate (candidate_id),
        rung INTEGER NOT NULL CHECK (rung >= 0),
        status TEXT NOT NULL CHECK (status IN ('ok', 'infeasible', 'failed')),
        evaluation TEXT NOT NULL,
        epochs INTEGER,
        val_accuracy_int8 REAL CHECK (val_accuracy_int8 BETWEEN 0 AND 1),
        val_accuracy_float REAL CHECK (val_accuracy_float BETWEEN 0 AND 1),
        latency_us INTEGER CHECK (latency_us IS NULL OR latency_source IS NOT NULL),
        latency_source TEXT CHECK (
            latency_source IN ('silicon', 'emulated', 'predicted', 'mac')),
        arena_used_bytes INTEGER CHECK (arena_used_bytes IS NULL OR arena_source IS NOT NULL),
        arena_source TEXT CHECK (arena_source IN ('silicon', 'emulated', 'host', 'model')),
        flash_bytes INTEGER,
        macs INTEGER,
        peak_memory_bytes INTEGER,
        model_size_bytes INTEGER,
        board TEXT,
        engine TEXT,
        model_sha256 TEXT,
        weights_sha256 TEXT,
        error TEXT CHECK (status != 'failed' OR error IS NOT NULL),
        stage_s TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        UNIQUE (candidate_id, rung)
    );
INSERT INTO "result" VALUES(1,1,0,'ok','{"sources":{},"values":{"error":0.1,"macs":1000}}',3,0.9,0.91,NULL,'mac',2000,'host',4000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"train":1.5}','2026-11-24T00:00:01.000+00:00');
INSERT INTO "result" VALUES(2,2,0,'failed','{}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"mend":"","message":"gone","name":"worker"}','{}','2026-11-24T00:00:01.000+00:00');
CREATE TABLE revision (
        revision_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL,
        rung INTEGER NOT NULL,
        asked INTEGER NOT NULL CHECK (asked >= candidate_id),
        reason TEXT NOT NULL CHECK (reason IN ('board-lost', 'canary-moved', 'rank-open')),
        status TEXT NOT NULL CHECK (status IN ('ok', 'infeasible', 'failed')),
        evaluation TEXT NOT NULL,
        latency_us INTEGER CHECK (latency_us IS NULL OR latency_source IS NOT NULL),
        latency_source TEXT CHECK (
            latency_source IN ('silicon', 'emulated', 'predicted', 'mac')),
        arena_used_bytes INTEGER CHECK (arena_used_bytes IS NULL OR arena_source IS NOT NULL),
        arena_source TEXT CHECK (arena_source IN ('silicon', 'emulated', 'host', 'model')),
        board TEXT,
        engine TEXT,
        error TEXT CHECK (status != 'failed' OR error IS NOT NULL),
        created_at TEXT NOT NULL,
        FOREIGN KEY (candidate_id, rung) REFERENCES result (candidate_id, rung)
    );
CREATE TABLE run (
        run_id INTEGER PRIMARY KEY CHECK (run_id = 1),
        name TEXT NOT NULL,
        experiment TEXT NOT NULL,
        identity TEXT NOT NULL,
        command TEXT NOT NULL,
        created_at TEXT NOT NULL
    );
INSERT INTO "run" VALUES(1,'quickstart','{"bounds":{"error":0.3,"macs":3000000},"name":"quickstart"}','{"lag":4,"latency_source":"mac","seed":0,"workers":2}','munas search quickstart','2026-11-24T00:00:00.000+00:00');
CREATE UNIQUE INDEX final_once ON final (candidate_id, ifnull(seed, -1));
CREATE TRIGGER run_refuses_update BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'rows of run are never changed'); END;
CREATE TRIGGER run_refuses_delete BEFORE DELETE ON run BEGIN SELECT RAISE(ABORT, 'rows of run are never changed'); END;
CREATE TRIGGER run_refuses_replace BEFORE INSERT ON run WHEN EXISTS (SELECT 1 FROM run WHERE (run_id IS NEW.run_id)) BEGIN SELECT RAISE(ABORT, 'run has this row already'); END;
CREATE TRIGGER candidate_refuses_update BEFORE UPDATE ON candidate BEGIN SELECT RAISE(ABORT, 'rows of candidate are never changed'); END;
CREATE TRIGGER candidate_refuses_delete BEFORE DELETE ON candidate BEGIN SELECT RAISE(ABORT, 'rows of candidate are never changed'); END;
CREATE TRIGGER candidate_refuses_replace BEFORE INSERT ON candidate WHEN EXISTS (SELECT 1 FROM candidate WHERE (candidate_id IS NEW.candidate_id)) BEGIN SELECT RAISE(ABORT, 'candidate has this row already'); END;
CREATE TRIGGER result_refuses_update BEFORE UPDATE ON result BEGIN SELECT RAISE(ABORT, 'rows of result are never changed'); END;
CREATE TRIGGER result_refuses_delete BEFORE DELETE ON result BEGIN SELECT RAISE(ABORT, 'rows of result are never changed'); END;
CREATE TRIGGER result_refuses_replace BEFORE INSERT ON result WHEN EXISTS (SELECT 1 FROM result WHERE (result_id IS NEW.result_id) OR (candidate_id IS NEW.candidate_id AND rung IS NEW.rung)) BEGIN SELECT RAISE(ABORT, 'result has this row already'); END;
CREATE TRIGGER measurement_refuses_update BEFORE UPDATE ON measurement BEGIN SELECT RAISE(ABORT, 'rows of measurement are never changed'); END;
CREATE TRIGGER measurement_refuses_delete BEFORE DELETE ON measurement BEGIN SELECT RAISE(ABORT, 'rows of measurement are never changed'); END;
CREATE TRIGGER measurement_refuses_replace BEFORE INSERT ON measurement WHEN EXISTS (SELECT 1 FROM measurement WHERE (measurement_id IS NEW.measurement_id)) BEGIN SELECT RAISE(ABORT, 'measurement has this row already'); END;
CREATE TRIGGER final_refuses_update BEFORE UPDATE ON final BEGIN SELECT RAISE(ABORT, 'rows of final are never changed'); END;
CREATE TRIGGER final_refuses_delete BEFORE DELETE ON final BEGIN SELECT RAISE(ABORT, 'rows of final are never changed'); END;
CREATE TRIGGER final_refuses_replace BEFORE INSERT ON final WHEN EXISTS (SELECT 1 FROM final WHERE (final_id IS NEW.final_id) OR (candidate_id IS NEW.candidate_id AND seed IS NEW.seed)) BEGIN SELECT RAISE(ABORT, 'final has this row already'); END;
CREATE TRIGGER event_refuses_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'rows of event are never changed'); END;
CREATE TRIGGER event_refuses_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'rows of event are never changed'); END;
CREATE TRIGGER event_refuses_replace BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE (event_id IS NEW.event_id)) BEGIN SELECT RAISE(ABORT, 'event has this row already'); END;
CREATE TRIGGER artifact_refuses_update BEFORE UPDATE ON artifact BEGIN SELECT RAISE(ABORT, 'rows of artifact are never changed'); END;
CREATE TRIGGER artifact_refuses_delete BEFORE DELETE ON artifact BEGIN SELECT RAISE(ABORT, 'rows of artifact are never changed'); END;
CREATE TRIGGER artifact_refuses_replace BEFORE INSERT ON artifact WHEN EXISTS (SELECT 1 FROM artifact WHERE (sha256 IS NEW.sha256)) BEGIN SELECT RAISE(ABORT, 'artifact has this row already'); END;
CREATE INDEX revision_of ON revision (candidate_id, rung);
CREATE TRIGGER revision_refuses_update BEFORE UPDATE ON revision BEGIN SELECT RAISE(ABORT, 'rows of revision are never changed'); END;
CREATE TRIGGER revision_refuses_delete BEFORE DELETE ON revision BEGIN SELECT RAISE(ABORT, 'rows of revision are never changed'); END;
CREATE TRIGGER revision_refuses_replace BEFORE INSERT ON revision WHEN EXISTS (SELECT 1 FROM revision WHERE (revision_id IS NEW.revision_id)) BEGIN SELECT RAISE(ABORT, 'revision has this row already'); END;
COMMIT;
