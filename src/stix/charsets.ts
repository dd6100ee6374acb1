/** Character set names of the IANA registry, in lower case: names and preferred MIME names. */

const families = [
  /^iso-8859-(?:[1-9]|1[0-6])(?:-[ei])?$/,
  /^iso-8859-(?:1-windows-(?:3\.0-latin-1|3\.1-latin-1)|2-windows-latin-2|9-windows-latin-5)$/,
  /^(?:x-)?ibm-?[0-9]{3,5}$/,
  /^cp[0-9]{3,5}$/,
  /^windows-(?:874|125[0-8]|31j)$/,
  /^utf-(?:7|7-imap|8|16|16be|16le|32|32be|32le)$/,
  /^iso-2022-(?:jp|jp-2|kr|cn|cn-ext)$/,
  /^iso-ir-[0-9]{1,3}$/,
];

const names = new Set(
  `us-ascii ascii ansi_x3.4-1968 latin1 shift_jis euc-jp euc-kr euc-tw gb2312 gb18030 gbk gb_2312-80 gb_1988-80 hz-gb-2312 big5 big5-hkscs
  koi8-r koi8-u koi7-switched tis-620 macintosh viscii viqr vntelex ptcp154 kz-1048 scsu bocu-1 cesu-8
  hp-roman8 dec-mcs tscii johab ks_c_5601-1987 ks_c_5636 jis_encoding jis_x0201 jis_x0212-1990 jis_c6220-1969-jp jis_c6226-1983
  iso-10646-ucs-2 iso-10646-ucs-4 iso-10646-ucs-basic iso-10646-utf-1 iso-10646-j-1 iso-unicode-ibm-1261
  adobe-standard-encoding adobe-symbol-encoding ventura-us ventura-international ventura-math hp-math8 hp-psmath hp-desktop hp-legal hp-pi-font
  unicode-1-1 unicode-1-1-utf-7 utf-8 osd_ebcdic_df03_irv osd_ebcdic_df04_1 osd_ebcdic_df04_15 ebcdic-us amiga-1251
  bs_4730 sen_850200_b sen_850200_c it es din_66003 ns_4551-1 ns_4551-2 nf_z_62-010 iso_646.basic:1983 iso_646.irv:1983 invariant
  greek7 asmo_449 arabic7 latin-greek latin-greek-1 us-dk dk-us cyrillic ecma-cyrillic`.split(/\s+/),
);

/** Whether IANA has a character set of this name; case does not matter (RFC 2978 §2.3). */
export function isCharset(name: string): boolean {
  const lower = name.length <= 64 ? name.toLowerCase() : '';
  return names.has(lower) || families.some((family) => family.test(lower));
}
