// The scenarios of the notifier, on MySQL and MariaDB: in these projects their world has its database there.
import './backlog.test.ts';
import './notifier.test.ts';
import './notification-rpc-service.test.ts';
import './traces.test.ts';
import './upgrade.test.ts';
