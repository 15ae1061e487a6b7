import { expect, it } from 'vitest';
import { realBroker } from './test-support.ts';

it.each(['default', 'mortal', 'small', 'secure', 'blue', 'green'] as const)(
  'gives tests a real %s broker',
  { timeout: 120_000 },
  async (variant) => {
    const broker = await realBroker(variant);
    const headers: Record<string, string> = broker.secrets === undefined ? {} : { authorization: `Bearer ${broker.secrets.adminToken}` };
    const answer = await fetch(`${broker.adminUrl}/admin/v2/brokers/version`, { headers });
    expect(await answer.text()).toBe('4.0.7');
  },
);
