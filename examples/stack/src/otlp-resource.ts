import { hostname } from 'node:os';
import { defaultResource, detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import type { ServiceName } from './service-names.ts';

/** The namespace of all services, and the name of a process that runs several. */
const namespace = 'paystream';

/**
 * What a collector is told of who sends: the service that the process runs, and which of its replicas it is. What
 * `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say goes before it.
 */
export function otlpResource(services: readonly ServiceName[], instance = hostname()): Resource {
  const [only = namespace, ...others] = services;
  const attributes = {
    'service.namespace': namespace,
    'service.name': others.length === 0 ? only : namespace,
    'service.instance.id': instance,
  };
  return defaultResource()
    .merge(resourceFromAttributes(attributes))
    .merge(detectResources({ detectors: [envDetector] }));
}
