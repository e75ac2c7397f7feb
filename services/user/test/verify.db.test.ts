/** The service as its own verification sees it. */

import { verify } from '@org/migrate-core';
import { testVerification } from '@org/test-postgres/suites';

import definition from '../migrate.config.ts';
import { service, source } from './support/service.ts';

testVerification(service, (connect) => verify({ ...definition, service: definition.name, source, connect }));
