import { type PackageBuild, packageBuild } from '../../tools/tsup.ts';

const build: PackageBuild = packageBuild();
export default build;
