// The same scenarios on MariaDB: in this project their world has its database there.
import './reconcile.test.ts';
