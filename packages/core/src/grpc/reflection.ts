import { createRequire } from 'node:module';
import { Duplex } from 'node:stream';
import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { handleBidiStreamingCall, MethodDefinition, Server, ServerDuplexStream, UntypedHandleCall } from '@grpc/grpc-js';
import { PaystreamError } from '../errors/paystream-error.ts';
import { file_google_rpc_error_details } from '../gen/google/rpc/error_details_pb.ts';
import { file_google_rpc_status } from '../gen/google/rpc/status_pb.ts';
import { serviceErrorOf } from './service-error.ts';

const packageName = '@grpc/reflection';
const methodName = 'ServerReflectionInfo';
const versions = ['v1', 'v1alpha'] as const;
const pathOf = (version: string): string => `/grpc.reflection.${version}.ServerReflection/${methodName}`;

/** Where reflection is served. */
export const reflectionPaths: readonly string[] = versions.map(pathOf);

type Definition = MethodDefinition<unknown, unknown>;

interface ReflectionMethod {
  readonly definition: Definition;
  readonly handle: (stream: Duplex) => void;
}

function filesOf(services: readonly DescService[]): DescFile[] {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    file.dependencies.forEach(visit);
  };
  for (const service of services) visit(service.file);
  // Of no service's files, but tools want them to show the details of errors.
  visit(file_google_rpc_status);
  visit(file_google_rpc_error_details);
  return [...files.values()];
}

/** Loads the package and has it read the files: much, for what most processes are never asked. */
async function loadMethods(services: readonly DescService[]): Promise<ReadonlyMap<string, ReflectionMethod>> {
  const { ReflectionService } = await import('@grpc/reflection');
  const fileDescriptorProtos = filesOf(services).map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  const names = services.map(({ typeName }) => typeName);
  const methods = new Map<string, ReflectionMethod>();
  const collector = {
    addService: (definition: Record<string, Definition>, handlers: Record<string, UntypedHandleCall>): void => {
      const [method, handle] = [definition[methodName], handlers[methodName]];
      if (method !== undefined && handle !== undefined) {
        methods.set(method.path, { definition: method, handle: handle as unknown as ReflectionMethod['handle'] });
      }
    },
  };
  // It reads the files off any entry of a package definition, and looks at nothing else.
  const format = 'Protocol Buffer 3 DescriptorProto';
  const service = new ReflectionService({ files: { format, type: {}, fileDescriptorProtos } }, { services: names });
  service.addToServer(collector as unknown as Server);
  return methods;
}

/** What the package talks to: a call whose bytes are decoded and encoded on the way. */
function messagesOf(call: ServerDuplexStream<Buffer, Buffer>, { requestDeserialize, responseSerialize }: Definition): Duplex {
  const messages = new Duplex({
    objectMode: true,
    read: () => call.resume(),
    write: (message: unknown, _encoding, done) => {
      call.write(responseSerialize(message), () => done());
    },
    final: (done) => {
      call.end();
      done();
    },
  });
  call.on('data', (bytes: Buffer) => {
    try {
      if (!messages.push(requestDeserialize(bytes))) call.pause();
    } catch (cause) {
      messages.destroy();
      call.emit(
        'error',
        serviceErrorOf(new PaystreamError('INVALID_ARGUMENT', 'The request cannot be read.', { reason: 'REQUEST_MALFORMED', cause })),
      );
    }
  });
  call.on('end', () => messages.push(null));
  call.on('cancelled', () => messages.destroy());
  return messages;
}

function refuseWithoutPackage(): void {
  try {
    createRequire(import.meta.url).resolve(packageName);
  } catch (cause) {
    throw new PaystreamError('FAILED_PRECONDITION', `gRPC reflection needs a package that is not installed: npm install ${packageName}.`, {
      reason: 'PACKAGE_MISSING',
      details: { package: packageName },
      cause,
    });
  }
}

/**
 * Adds server reflection, v1 and v1alpha, so that tools such as grpcurl need no proto files. What answers is loaded when
 * first asked.
 *
 * @throws `FAILED_PRECONDITION` / `PACKAGE_MISSING` if the package `@grpc/reflection` is not installed.
 */
export function addReflection(server: Server, services: readonly DescService[]): void {
  refuseWithoutPackage();
  let loading: Promise<ReadonlyMap<string, ReflectionMethod>> | undefined;
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const handlerOf = (path: string): handleBidiStreamingCall<Buffer, Buffer> => {
    return (call) => {
      loading ??= loadMethods(services);
      loading
        .then((methods) => {
          const method = methods.get(path);
          if (method === undefined) throw new PaystreamError('UNSUPPORTED', `There is no ${path}.`, { reason: 'METHOD_UNKNOWN' });
          method.handle(messagesOf(call, method.definition));
        })
        .catch((thrown: unknown) => {
          loading = undefined;
          call.emit('error', serviceErrorOf(PaystreamError.from(thrown)));
        });
    };
  };
  for (const path of reflectionPaths) {
    const bytes = { requestSerialize: asItIs, requestDeserialize: asItIs, responseSerialize: asItIs, responseDeserialize: asItIs };
    server.addService({ [methodName]: { path, requestStream: true, responseStream: true, ...bytes } }, { [methodName]: handlerOf(path) });
  }
}
