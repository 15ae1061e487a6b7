// The same on MySQL and MariaDB: in these projects the worlds have their databases there.
import './upgrade.test.ts';
