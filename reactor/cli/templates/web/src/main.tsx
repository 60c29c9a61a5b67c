import { ConvexProvider, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./style.css";

// Where reactor serves. For another place: VITE_REACTOR_URL=https://api.example.com npm run build
const reactor = new ConvexReactClient(import.meta.env.VITE_REACTOR_URL ?? "http://127.0.0.1:3210");

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ConvexProvider client={reactor}>
      <App />
    </ConvexProvider>
  </StrictMode>,
);
