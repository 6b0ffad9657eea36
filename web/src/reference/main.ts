import "swagger-ui-dist/swagger-ui.css";
import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/controls.css";
import "./reference.css";
import { mount } from "svelte";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import PageNav from "../shared/PageNav.svelte";
import { session } from "../shared/session.svelte";
import { applyTheme, currentTheme } from "../shared/theme";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Swagger UI has its own class for its dark form. */
function followTheme(): void {
  const theme = currentTheme();
  applyTheme(theme);
  document.documentElement.classList.toggle("dark-mode", theme === "dark" || (theme === "system" && dark.matches));
}
followTheme();
dark.addEventListener("change", followTheme);

const app = document.getElementById("app")!;
mount(PageNav, { target: document.body, anchor: app, props: { current: "/docs", onTheme: followTheme } });

const reference = SwaggerUI({
  domNode: app,
  url: "/openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  // A key that was entered in the playground of this tab is filled in.
  onComplete: () => {
    if (session.key) reference.preauthorizeApiKey("key", session.key);
  },
});
