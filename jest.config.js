export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/test/clients/.venv'],
  // Node strips the types itself.
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  reporters: ['default', '<rootDir>/test/support/reporter.ts'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
