import { type FileHandle, open } from 'node:fs/promises';

/** A file of lines: where its last whole line ends. */
export interface MessageFile {
  readonly handle: FileHandle;
  readonly size: number;
}

const chunkBytes = 1_048_576;
const newline = 10;
const idAtStart = /^\{"deliveryId":("(?:[^"\\]|\\.)*")/;

/** Opens a file, making it if it is missing, and cuts off a last line that was not written to its end. */
export async function openMessageFile(path: string): Promise<MessageFile> {
  const handle = await open(path, 'a+', 0o640);
  try {
    const { size } = await handle.stat();
    const whole = await endOfLastLine(handle, size);
    if (whole < size) await handle.truncate(whole);
    return { handle, size: whole };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.alloc(Math.min(chunkBytes, size));
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await handle.read(chunk, 0, end - start, start);
    const at = chunk.subarray(0, bytesRead).lastIndexOf(newline);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

/** The delivery ids of the last lines, the newest first, at most `most`. */
export async function lastDeliveryIds(file: MessageFile, most: number): Promise<readonly string[]> {
  const ids: string[] = [];
  let rest = '';
  const take = (line: string): void => {
    const [, literal] = idAtStart.exec(line) ?? [];
    if (literal !== undefined) ids.push(JSON.parse(Buffer.from(literal, 'latin1').toString()) as string);
  };
  const chunk = Buffer.alloc(Math.min(chunkBytes, file.size));
  for (let end = file.size; end > 0 && ids.length < most; ) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await file.handle.read(chunk, 0, end - start, start);
    // As latin1, since a chunk may end within a character of UTF-8.
    const lines = (chunk.toString('latin1', 0, bytesRead) + rest).split('\n');
    rest = lines[0] ?? '';
    for (let index = lines.length - 1; index > 0 && ids.length < most; index -= 1) take(lines[index] ?? '');
    end = start;
  }
  if (ids.length < most) take(rest);
  return ids;
}
