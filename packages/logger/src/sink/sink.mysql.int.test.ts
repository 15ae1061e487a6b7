// The scenarios of the log sink, on MySQL and MariaDB: in these projects their world has its database there.
import './log-sink.test.ts';
import './log-rpc-service.test.ts';
