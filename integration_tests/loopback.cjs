// Preloaded into Node's emulators: they listen on every interface and have no setting for it.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const first = args[0];
  if (first !== null && typeof first === "object" && "port" in first) {
    args[0] = { ...first, host: "127.0.0.1" };
  } else if (/^\d+$/.test(String(first))) {
    const rest = args.slice(1).filter((arg) => typeof arg === "function");
    args = [{ port: Number(first), host: "127.0.0.1" }, ...rest];
  }
  return listen.apply(this, args);
};
