import "../styles/tokens.css";
import "swagger-ui-dist/swagger-ui.css";
import "./reference.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { session } from "../shared/session.svelte";
import { currentTheme } from "../shared/theme";

const dark = matchMedia("(prefers-color-scheme: dark)");

function applyTheme(): void {
  const theme = currentTheme();
  document.documentElement.classList.toggle("dark-mode", theme === "dark" || (theme === "system" && dark.matches));
}
applyTheme();
dark.addEventListener("change", applyTheme);

const reference = SwaggerUI({
  domNode: document.getElementById("app"),
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
