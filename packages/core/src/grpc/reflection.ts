import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { PaystreamError } from '../errors/paystream-error.ts';
import { file_google_rpc_error_details } from '../gen/google/rpc/error_details_pb.ts';
import { file_google_rpc_status } from '../gen/google/rpc/status_pb.ts';

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

/**
 * Adds server reflection, v1 and v1alpha, so that tools such as grpcurl need no proto files.
 *
 * @throws `FAILED_PRECONDITION` / `PACKAGE_MISSING` if the package `@grpc/reflection` is not installed.
 */
export async function addReflection(server: Server, services: readonly DescService[]): Promise<void> {
  const { ReflectionService } = await import('@grpc/reflection').catch((cause: unknown) => {
    throw new PaystreamError(
      'FAILED_PRECONDITION',
      'gRPC reflection needs a package that is not installed: npm install @grpc/reflection.',
      {
        reason: 'PACKAGE_MISSING',
        details: { package: '@grpc/reflection' },
        cause,
      },
    );
  });
  const fileDescriptorProtos = filesOf(services).map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  const names = services.map(({ typeName }) => typeName);
  // It reads the files off any entry of a package definition, and looks at nothing else.
  const format = 'Protocol Buffer 3 DescriptorProto';
  new ReflectionService({ files: { format, type: {}, fileDescriptorProtos } }, { services: names }).addToServer(server);
}
