// Writes each dashboard, and each panel's options, as TypeScript that says which
// of Grafana's types it satisfies. An import of the JSON would not do: it widens
// 'multi' to string.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const overrides = { 'custom.lineStyle': 'LineStyle', thresholds: 'Thresholds', color: 'Color', mappings: 'Mappings' };

const say = (value, type) => `(${JSON.stringify(value, null, 1)}) satisfies schema.${type};\n`;

function* literals(dashboard) {
  yield say(dashboard, 'Dashboard');
  for (const panel of dashboard.panels.filter((panel) => panel.type !== 'row')) {
    yield `\n// ${panel.title}\n` + say(panel.options, `Options['${panel.type}']`);
    const { custom } = panel.fieldConfig.defaults;
    if (custom) {
      yield say(custom, `Custom['${panel.type}']`);
    }
    for (const { properties } of panel.fieldConfig.overrides) {
      for (const { id, value } of properties.filter(({ id }) => id in overrides)) {
        yield say(value, overrides[id]);
      }
    }
  }
}

rmSync('literals', { recursive: true, force: true });
mkdirSync('literals');
for (const file of readdirSync('..').filter((name) => name.endsWith('.json'))) {
  const dashboard = JSON.parse(readFileSync(`../${file}`, 'utf8'));
  const head = "import type * as schema from '../schema';\n\n";
  writeFileSync(`literals/${file}.ts`, head + [...literals(dashboard)].join(''));
}
