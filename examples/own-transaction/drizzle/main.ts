import { show } from '../show.ts';
import { createSignUpService } from './service.ts';

await show(createSignUpService);
