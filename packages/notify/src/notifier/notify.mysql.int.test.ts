// The scenarios of the notifier, on MariaDB: in this project their world has its database there.
import './notifier.test.ts';
import './notification-rpc-service.test.ts';
