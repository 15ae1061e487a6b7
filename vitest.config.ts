import { defineConfig } from 'vitest/config';

// Tests run from source: no build stands between a change and its test.
const conditions = ['paystream-source', 'module', 'node', 'development|production'];
const source = { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: ['paystream-source', 'node'] } } };

function project(name: string, include: string[], exclude: string[], extra: object): object {
  return { ...source, test: { name, include, exclude: ['**/node_modules/**', '**/dist/**', ...exclude], environment: 'node', ...extra } };
}

const everywhere = (suffix: string): string[] => [
  `packages/*/src/**/*${suffix}`,
  `examples/*/**/*${suffix}`,
  `tools/**/*${suffix}`,
  `bench/**/*${suffix}`,
];

/** Tests that start a real Apache Pulsar broker. */
const onPulsar = [
  'packages/pulsar/src/**/*.int.test.ts',
  'packages/core/src/{pulsar,pulsar-native}/**/*.int.test.ts',
  'examples/stack/test/pulsar.int.test.ts',
  'examples/guests/**/*.pulsar.int.test.ts',
  'tools/pulsar/**/*.int.test.ts',
];
/** Tests that start a real MariaDB, the newest one, or a real MySQL. */
const onMysql = [
  'packages/core/src/mysql/**/*.int.test.ts',
  'packages/*/src/**/*.mysql.int.test.ts',
  'examples/**/*.mysql.int.test.ts',
  'tools/mysql/**/*.int.test.ts',
];
/** Tests that start both, and every service in a process of its own. */
const onBoth = ['examples/stack/test/production*.int.test.ts'];
const servers = { pool: 'forks', fileParallelism: false, testTimeout: 600_000, hookTimeout: 120_000 };

/** They wait for the server more than they work: two at a time take little more than half as long. */
const sql = {
  ...servers,
  fileParallelism: true,
  maxWorkers: 2,
  testTimeout: 120_000,
  globalSetup: 'tools/mysql/test-servers.ts',
  setupFiles: ['packages/core/src/testing/on-mysql.ts'],
};

export default defineConfig({
  test: {
    projects: [
      project('unit', everywhere('.test.ts'), ['**/*.int.test.ts'], {
        pool: 'threads',
        isolate: false,
        testTimeout: 30_000,
        hookTimeout: 30_000,
        setupFiles: ['packages/core/src/testing/load-ahead.ts'],
      }),
      project('int', everywhere('.int.test.ts'), [...onPulsar, ...onMysql, ...onBoth], servers),
      project('pulsar', onPulsar, [], { ...servers, globalSetup: 'tools/pulsar/test-brokers.ts' }),
      project('production', onBoth, [], { ...servers, globalSetup: ['tools/pulsar/test-brokers.ts', 'tools/mysql/test-servers.ts'] }),
      project('mariadb', onMysql, [], sql),
      project('mariadb-newest', onMysql, [], sql),
      project('mysql', onMysql, [], sql),
    ],
  },
});
