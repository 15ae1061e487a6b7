// The scenarios of the log sink, on MariaDB: in this project their world has its database there.
import './log-sink.test.ts';
import './log-rpc-service.test.ts';
