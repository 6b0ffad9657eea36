/** Colours of the page's tokens as canvases understand them: `light-dark()` is resolved by a hidden element. */
export class ChartColors {
  constructor(private readonly probe: HTMLElement) {}

  resolve(token: string): string {
    this.probe.style.color = `var(${token})`;
    return getComputedStyle(this.probe).color;
  }

  line(color: number): string {
    return this.resolve(color ? `--series-${color}` : "--text-muted");
  }
}
