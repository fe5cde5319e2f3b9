// Lets Grafana's own transformations make of answers what the panels then draw.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const require = createRequire(import.meta.url);

// Grafana 11 looks for its page's settings when it is loaded, while what both
// load would take a window for a browser.
const versions = { 'Grafana 13': require('@grafana/data') };
globalThis.window = { grafanaBootData: { settings: { featureToggles: {} } } };
versions['Grafana 11'] = require('grafana-data-11');

const dashboards = readdirSync('..')
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(`../${name}`, 'utf8')));

for (const [version, grafana] of Object.entries(versions)) {
  const byID = new Map(Object.values(grafana.standardTransformers).map((transformation) => [transformation.id, transformation]));
  grafana.standardTransformersRegistry.setInit(() =>
    [...byID].map(([id, transformation]) => ({
      id,
      name: transformation.name,
      // Newer versions load them when they are needed.
      transformation: version === 'Grafana 11' ? transformation : async () => transformation,
    }))
  );
  for (const dashboard of dashboards) {
    for (const panel of dashboard.panels.filter((panel) => panel.transformations)) {
      test(`${version}: ${dashboard.title}: ${panel.title}`, async () => {
        const isMatrix = panel.transformations.some(({ id }) => id === 'groupingToMatrix');
        await (isMatrix ? matrix : table)(grafana, panel);
      });
    }
  }
}

// frame is an answer as the data source for Prometheus makes a table of it:
// labels are texts, and stand in their order between time and value.
function frame(grafana, refId, valueName, labels, rows) {
  const { FieldType } = grafana;
  return {
    refId,
    length: rows.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: rows.map(() => 1700000000000) },
      ...[...labels].sort().map((name) => ({
        name,
        type: FieldType.string,
        config: { filterable: true },
        values: rows.map((row) => row[name]),
      })),
      { name: valueName, type: FieldType.number, config: {}, values: rows.map((row) => row.value) },
    ],
  };
}

async function transform(grafana, panel, frames) {
  const { firstValueFrom } = require('rxjs');
  const context = { interpolate: (text) => text };
  const result = await firstValueFrom(grafana.transformDataFrame(panel.transformations, frames, context));
  assert.equal(result.length, 1, 'a trend and a table show one frame');
  return result[0].fields.map((field) => ({
    name: grafana.getFieldDisplayName(field, result[0], result),
    type: field.type,
    values: [...field.values],
  }));
}

// A matrix has a row for each rate, which has become a number that rises, and a
// column for each arm, with a hole where an arm has no such step.
async function matrix(grafana, panel) {
  const { rowField, columnField } = panel.transformations.find(({ id }) => id === 'groupingToMatrix').options;
  const answers = [
    ['20', 'b', 1],
    ['100', 'b', 2],
    ['3.5', 'b', 3],
    ['20', 'a', 4],
    ['3.5', 'a', 5],
  ].map(([row, column, value]) => ({ [rowField]: row, [columnField]: column, job: 'vllm_prober', value }));
  const fields = await transform(grafana, panel, [
    frame(grafana, 'A', 'Value', ['job', rowField, columnField], answers),
  ]);
  const { number } = grafana.FieldType;
  const title = panel.options.xField ?? 'offered';
  assert.deepEqual(fields, [
    { name: title, type: number, values: [3.5, 20, 100] },
    { name: 'a', type: number, values: [5, 4, null] },
    { name: 'b', type: number, values: [3, 1, 2] },
  ]);
}

// A table has its columns in their order under their titles, a row for each set
// of labels, and a hole where a query does not know one of them. The last of
// several queries has no answer, which is a frame without labels.
async function table(grafana, panel) {
  const { indexByName, renameByName } = panel.transformations.at(-1).options;
  const columns = Object.keys(indexByName).sort((a, b) => indexByName[a] - indexByName[b]);
  const labels = columns.filter((name) => !name.startsWith('Value'));
  const rows = ['1', '2'].map((text) => Object.fromEntries(labels.map((name) => [name, text])));
  const isEmpty = (i) => i > 1 && i === panel.targets.length - 1;
  const frames = panel.targets.map(({ refId }, i) =>
    frame(
      grafana,
      refId,
      panel.targets.length > 1 ? `Value #${refId}` : 'Value',
      isEmpty(i) ? [] : [...labels, 'job'],
      rows.slice(0, isEmpty(i) ? 0 : i === 1 ? 1 : 2).map((row, at) => ({ ...row, job: 'vllm_prober', value: 10 * i + at }))
    )
  );
  const fields = await transform(grafana, panel, frames);
  assert.deepEqual(
    fields.map(({ name }) => name),
    columns.map((name) => renameByName[name])
  );
  columns.forEach((name, at) => {
    const query = panel.targets.findIndex(({ refId }) => name === `Value #${refId}`);
    const isNumber = name === 'Value' || query >= 0 || ['request_rate', 'gpus', 'batch_size'].includes(name);
    assert.equal(fields[at].type, isNumber ? grafana.FieldType.number : grafana.FieldType.string, name);
    if (query >= 0) {
      const values = rows.map((_, row) => fields[at].values[row] ?? null);
      const known = rows.map((_, row) => (isEmpty(query) || (query === 1 && row === 1) ? null : 10 * query + row));
      assert.deepEqual(values, known, name);
      assert.equal(fields[at].values.length, rows.length, name);
    }
  });
}

for (const [version, grafana] of Object.entries(versions)) {
  test(`${version}: columns that have an order of their own keep it`, async () => {
    const panel = dashboards.flatMap(({ panels }) => panels).find(({ title }) => title === 'TTFT: now and earlier in figures');
    const sides = ['change', 'earlier', 'now'].map((side) => ({ side, request_rate: '10', value: 1 }));
    const fields = await transform(grafana, panel, [frame(grafana, 'A', 'Value', ['request_rate', 'side'], sides)]);
    assert.deepEqual(
      fields.map(({ name }) => name),
      ['offered', 'now', 'earlier', 'change']
    );
  });
}

// Every override finds the fields that it is meant for.
for (const [version, { fieldMatchers, getActiveThreshold }] of Object.entries(versions)) {
  const matching = (panel, name, property) =>
    panel.fieldConfig.overrides.filter(
      ({ matcher, properties }) =>
        fieldMatchers.get(matcher.id).get(matcher.options)({ name, config: {} }, { fields: [] }, []) &&
        properties.some(({ id }) => id === property)
    );
  test(`${version}: an arm has one colour and one style`, () => {
    const curves = dashboards.flatMap(({ panels }) => panels).filter(({ type, title }) => type === 'trend' && title === 'TTFT');
    assert.equal(curves.length, 1);
    for (const name of ['bs16, 1×GPU, batch 16', 'a-1, 4×GPU, batch 1024', 'b, 16×GPU, batch 2']) {
      assert.equal(matching(curves[0], name, 'color').length, 1, name);
      assert.equal(matching(curves[0], name, 'custom.lineStyle').length, 1, name);
    }
    assert.equal(matching(curves[0], 'a, 3×GPU', 'color').length, 0);
  });
  test(`${version}: values on both sides of a limit, below 0 too, have its two colours`, () => {
    const all = dashboards
      .flatMap(({ panels }) => panels)
      .filter(({ type }) => type !== 'row')
      .flatMap(({ fieldConfig: { defaults, overrides } }) => [
        defaults.thresholds,
        ...overrides.flatMap(({ properties }) => properties.filter(({ id }) => id === 'thresholds').map(({ value }) => value)),
      ])
      .filter(Boolean);
    assert.ok(all.some(({ steps }) => steps.length > 2 && steps[1].value < 0));
    for (const { steps } of all) {
      steps.slice(1).forEach(({ value, color }, i) => {
        assert.equal(getActiveThreshold(value, steps).color, color);
        assert.equal(getActiveThreshold(value - 1e-6, steps).color, steps[i].color);
      });
    }
  });
  test(`${version}: a change has its own unit`, () => {
    const tables = dashboards.flatMap(({ panels }) => panels).filter(({ title }) => title.endsWith(' by batch size'));
    assert.equal(tables.length, 3);
    for (const panel of tables) {
      assert.equal(matching(panel, 'bs16, 4×GPU, batch 16', 'unit').length, 0);
      assert.equal(matching(panel, 'bs16, 4×GPU, batch 16: change', 'unit').length, 1);
    }
  });
}
