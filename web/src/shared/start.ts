import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/controls.css";
import { mount, type Component } from "svelte";
import { applyTheme, currentTheme } from "./theme";

/** Shows the page's root component in `#app`, with the stored theme. */
export function start(root: Component): void {
  applyTheme(currentTheme());
  mount(root, { target: document.getElementById("app")! });
}
