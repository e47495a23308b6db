/** Pico's build without classes, below node_modules; the stylesheet that is served is this file and then public/app.css. */
export const PICO_FILE = "@picocss/pico/css/pico.classless.min.css";
