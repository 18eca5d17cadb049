// A service for the supervisor's tests: does what its one argument in BEHAVIOUR says.
const behaviour = process.env["BEHAVIOUR"];
if (behaviour === "fails at once") process.exit(3);
process.on("SIGTERM", () => {
  if (behaviour !== "does not stop") process.exit(0);
});
process.on("disconnect", () => process.exit(0));
process.stdout.write(`environment says ${behaviour}\nan unfinished line`);
process.send?.({ type: "ready", url: "http://127.0.0.1:1", metricsUrl: "http://127.0.0.1:2/metrics" });
