// Keeps the zone that a viewer chose in a cookie, so that their next visit begins with it; it shows nothing itself.

const YEAR = 365 * 24 * 3600;

export default function (component) {
  const { name, zone } = component.data ?? {};
  if (!zone) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${zone}; Path=/; Max-Age=${YEAR}; SameSite=Strict${secure}`;
}
