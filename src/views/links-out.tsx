import { z } from "zod";
import type { LinkTemplate } from "../metrics/links-out.ts";
import { Name } from "./components.tsx";

/** What a panel's data tells of the links that the settings give. */
export const LINKS_OUT = z
  .array(
    z.object({
      name: z.string().describe("What it is called"),
      url: z.string().describe("Where it leads, http or https"),
    }),
  )
  .describe("Where else it is looked up, such as its logs, by the settings");

/** Links to other people's pages, which are not told from where somebody comes. */
export function LinksOut({ links }: { links: readonly LinkTemplate[] }) {
  return (
    <>
      {links.map(({ name, url }, index) => (
        <>
          {index === 0 ? null : " · "}
          <a href={url} rel="noreferrer" target="_blank">
            <Name>{name}</Name>
          </a>
        </>
      ))}
    </>
  );
}
