// The types that Grafana publishes of its dashboards, as JSON can satisfy them.
import type * as grafana from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as trend from '@grafana/schema/dist/esm/raw/composable/trend/panelcfg/x/TrendPanelCfg_types.gen';

// Enumerations are texts in JSON.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends ReadonlyArray<infer Item>
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

// What the data source for Prometheus keeps with annotations, of which Grafana
// publishes no types.
type Annotation = Plain<grafana.AnnotationQuery> & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
  target: { refId: string; expr: string; interval: string };
};

export type Dashboard = Omit<Plain<grafana.Dashboard>, 'annotations'> & { annotations: { list: Annotation[] } };

// For each type of panel its options, and what it keeps under fieldConfig.defaults.custom.
export interface Options {
  heatmap: Plain<heatmap.Options>;
  stat: Omit<Plain<stat.Options>, 'percentChangeColorMode'>; // which Grafana 11.0 has not, and newer ones need not
  'state-timeline': Plain<stateTimeline.Options>;
  table: Plain<table.Options>;
  timeseries: Plain<timeSeries.Options>;
  trend: Plain<trend.Options>;
}

export interface Custom {
  heatmap: Plain<heatmap.FieldConfig>;
  stat: never;
  'state-timeline': Plain<stateTimeline.FieldConfig>;
  table: Plain<grafana.TableFieldOptions>;
  timeseries: Plain<timeSeries.FieldConfig>;
  trend: Plain<trend.FieldConfig>;
}

// What overrides set that are not of a panel's own.
export type LineStyle = Plain<grafana.LineStyle>;
export type Thresholds = Plain<grafana.ThresholdsConfig>;
export type Color = Plain<grafana.FieldColor>;
export type Mappings = Plain<grafana.ValueMapping>[];
