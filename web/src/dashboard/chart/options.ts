import uPlot from "uplot";
import { serverTime } from "../../api/server_clock";
import type { HistoryRange } from "../data/types";
import type { Panel } from "./panels";
import type { ChartColors } from "./theme";

const FONT = '12px "Geist", system-ui, sans-serif';
const HOUR = 3600;

/** The options of uPlot for a panel. `onCursor` gets the index of the data point under the pointer, or null. */
export function chartOptions(
  panel: Panel,
  range: HistoryRange,
  colors: ChartColors,
  size: { width: number; height: number },
  onCursor: (at: number | null, left: number) => void,
): uPlot.Options {
  const muted = colors.resolve("--text-muted");
  const grid = { stroke: colors.resolve("--border"), width: 1 };
  const single = panel.lines.length === 1;
  return {
    ...size,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      sync: { key: "overview", setSeries: false },
      points: { size: 6 },
    },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, niceMax(panel, max)] } },
    axes: [
      {
        stroke: muted,
        font: FONT,
        grid: { show: false },
        ticks: { show: false },
        size: 26,
        space: 60,
        values: (_, splits) => splits.map((time) => axisTime(time, range)),
      },
      {
        stroke: muted,
        font: FONT,
        grid,
        ticks: { show: false },
        gap: 6,
        space: 34,
        ...(panel.id === "queue" && { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] }),
        size: (_, values) => Math.max(30, ...(values ?? []).map((text) => 8 + String(text).length * 7)),
        values: (_, splits) => splits.map((value) => panel.format(value)),
      },
    ],
    series: [
      {},
      ...panel.lines.map((line) => {
        const stroke = colors.line(line.color);
        return {
          label: line.name,
          stroke,
          width: line.dashed ? 1.25 : 1.75,
          spanGaps: true, // an interval without requests has no latency
          ...(line.dashed && { dash: [4, 4] }),
          ...(single && { fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.09)") }),
          points: { show: isSinglePoint, size: 4, fill: stroke },
        };
      }),
    ],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null, plot.cursor.left ?? -10)] },
  };
}

/** A single value has no line. */
function isSinglePoint(plot: uPlot, series: number): boolean {
  return (plot.data[series] ?? []).filter((value) => value != null).length === 1;
}

/** The top of the axis: a share ends at 100 %, and an empty chart has a height. */
function niceMax(panel: Panel, max: number | null): number {
  if (panel.id === "cache") return 1;
  return max ? max * 1.12 : 1;
}

function axisTime(time: number, range: HistoryRange): string {
  const moment = new Date(time * 1000);
  if (range === "month") return moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  return moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** The time of an interval, for the tooltip. */
export function intervalText(time: number, range: HistoryRange): string {
  if (range !== "month") {
    const text = new Date(time * 1000).toLocaleTimeString("en-GB", {
      hour: "2-digit",
      minute: "2-digit",
      ...(range === "hour" && { second: "2-digit" }),
    });
    return range === "day" && serverTime() - time > 12 * HOUR ? `${text}, ${axisTime(time, "month")}` : text;
  }
  return axisTime(time, range);
}
