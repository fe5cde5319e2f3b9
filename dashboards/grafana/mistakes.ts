// That the types see mistakes: the compiler fails where an expected error does
// not happen.
import type { Custom, Dashboard, LineStyle, Mappings, Options, Thresholds } from './schema';

const { legend, tooltip }: Options['trend'] = {
  legend: { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: true },
  tooltip: { mode: 'multi', sort: 'desc' },
};

({ legend, tooltip, xField: 'offered' }) satisfies Options['trend'];

// @ts-expect-error a word that is none of the enumeration's
({ legend, tooltip: { mode: 'all', sort: 'desc' }, xField: 'offered' }) satisfies Options['trend'];

// @ts-expect-error a misspelt option
({ legend, tooltip, xfield: 'offered' }) satisfies Options['trend'];

// @ts-expect-error the options of another panel
({ legend, tooltip, xField: 'offered' }) satisfies Options['timeseries'];

// @ts-expect-error a missing option
({ legend }) satisfies Options['timeseries'];

// @ts-expect-error a number as a text
({ frameIndex: '0', showHeader: true }) satisfies Options['table'];

// @ts-expect-error a misspelt option within another one
({ lineStyle: { fill: 'dash', dashes: [10, 6] } }) satisfies Custom['trend'];

// @ts-expect-error a cell that tables have not
({ align: 'auto', inspect: false, cellOptions: { type: 'colour-text' } }) satisfies Custom['table'];

// @ts-expect-error a panel without a style of its own
({ lineWidth: 2 }) satisfies Custom['stat'];

// @ts-expect-error a fill that lines have not
({ fill: 'dashed' }) satisfies LineStyle;

// @ts-expect-error a threshold without a value
({ mode: 'absolute', steps: [{ color: 'text' }] }) satisfies Thresholds;

// @ts-expect-error a mapping of a type that there is not
([{ type: 'words', options: {} }]) satisfies Mappings;

// @ts-expect-error a misspelt field of the dashboard
({ annotations: { list: [] }, schemaVersion: 39, panel: [] }) satisfies Dashboard;

// @ts-expect-error a link to nowhere
({ annotations: { list: [] }, schemaVersion: 39, links: [{ title: 'elsewhere' }] }) satisfies Dashboard;
