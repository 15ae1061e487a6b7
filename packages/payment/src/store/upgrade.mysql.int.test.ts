// The same on MariaDB: in this project the worlds have their databases there.
import './upgrade.test.ts';
