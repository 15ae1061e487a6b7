import { PaystreamError } from '../errors/paystream-error.ts';
import type { Addon } from './options.ts';

const packageName = 'pulsar-client';

/**
 * Loads the addon. Rejects with `FAILED_PRECONDITION`: `PACKAGE_MISSING` if it is not installed, `ADDON_NOT_LOADED` if it is and its
 * binary does not load.
 */
export async function loadAddon(load: () => Promise<{ readonly default: Addon }> = () => import('pulsar-client')): Promise<Addon> {
  try {
    return (await load()).default;
  } catch (cause) {
    const details = { package: packageName };
    if ((cause as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') {
      throw new PaystreamError('FAILED_PRECONDITION', `this broker needs a package that is not installed: npm install ${packageName}`, {
        reason: 'PACKAGE_MISSING',
        details,
        cause,
      });
    }
    const why = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    const message =
      `${packageName} is installed, but its binary does not load: ${why}. Its install script fetches the binary: allow it and run ` +
      `"npm rebuild ${packageName}". Where that cannot be, use @paystream/core/pulsar, which needs no binary.`;
    throw new PaystreamError('FAILED_PRECONDITION', message, { reason: 'ADDON_NOT_LOADED', details, cause });
  }
}
