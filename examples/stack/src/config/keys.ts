import { z } from 'zod';

/** A key as a header carries it. Anything else is refused here: the error of who writes the header would show it. */
export const sentKey = z.string().regex(/^[!-~]+$/, 'must be printable ASCII without blanks, as it is sent in a header');
