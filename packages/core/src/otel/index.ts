export { createOpenTelemetry, type OpenTelemetryOptions } from './open-telemetry.ts';
