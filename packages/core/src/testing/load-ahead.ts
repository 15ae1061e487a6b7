// What the packages load when it is first needed, loaded before a test begins: vitest brings modules by messages between
// threads, of which a virtual clock, waiting for the code under test to come to rest, knows nothing.
import '../embedded/database/kysely-dialect.ts';
import '../sql/apply-migrations.ts';
