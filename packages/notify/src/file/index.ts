export { type FileChannel, type FileChannelOptions, fileChannel } from './file-channel.ts';
