// Numbers and times in words. Pure.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const NONE = "–";

export const count = (number) => whole.format(number);

/** `one` or `more` of something. */
export const counted = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;

/** A rate: as many digits as mean something. */
export const rate = (number) => number.toFixed(number === 0 || number >= 100 ? 0 : number >= 10 ? 1 : 2);

/** A share from 0 to 1; never 100 % unless it is all, nor 0 % unless it is nothing. */
export function share(part, all) {
  if (!(all > 0)) return NONE;
  const percent = (part / all) * 100;
  if (percent > 99 && part < all) return `${Math.min(percent, 99.9).toFixed(1)} %`;
  if (percent < 1 && part > 0) return `${Math.max(percent, 0.1).toFixed(1)} %`;
  return `${percent.toFixed(0)} %`;
}

/** A request's time, in seconds. */
export function took(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 0.001) return `${(seconds * 1000).toFixed(2)} ms`;
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

/** A length of time, in seconds. */
export function length(seconds) {
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit === 0 || number >= 100 ? number.toFixed(0) : number.toFixed(1)} ${units[unit]}`;
}

/** How long ago `at` was at `now`; both are what `Date` takes. */
export const ago = (at, now) => {
  const seconds = Math.floor((new Date(now) - new Date(at)) / 1000);
  return seconds < 1 ? "now" : `${length(seconds)} ago`;
};

export const time = (at) => clock.format(new Date(at));

export const date = (at) => day.format(new Date(at));

export const until = (at) => year.format(new Date(at));
