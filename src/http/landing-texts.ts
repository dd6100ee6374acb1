/** What the landing page says, in the languages it has. */

import type { Language } from '../stix/issue.ts';

export interface LandingTexts {
  /** For the attribute `lang`, RFC 5646. */
  readonly tag: string;
  /** How the language calls itself, for the switch to it. */
  readonly name: string;
  /** The title where the server's own is not public. */
  readonly plainTitle: string;
  readonly what: string;
  readonly publicCollections: string;
  readonly forMembers: string;
  readonly contact: string;
  readonly connect: string;
  readonly discoveryUrl: string;
  readonly mediaType: string;
  readonly otherLogin: string;
  readonly onCommandLine: string;
  readonly inPython: string;
  readonly collectionUrl: string;
  readonly rootUrl: string;
  readonly switchLanguage: string;
}

export const landingTexts: Readonly<Record<Language, LandingTexts>> = {
  en: {
    tag: 'en',
    name: 'English',
    plainTitle: 'TAXII 2.1 server',
    what: 'This is a TAXII 2.1 server. Organisations share what they know about threats here, as STIX 2.1 objects. It is meant for programs: threat intelligence platforms, SIEM products and scripts poll its collections.',
    publicCollections: 'Public collections',
    forMembers:
      'What is for members is listed after login only, by a TAXII client. Ask the operator of this server for a user name.',
    contact: 'Contact',
    connect: 'How to connect',
    discoveryUrl: 'Discovery URL',
    mediaType: 'Media type',
    otherLogin: 'Login: a user name and password (HTTP Basic), or a token (Bearer).',
    onCommandLine: 'On the command line',
    inPython: 'In Python, with taxii2-client',
    collectionUrl: 'Collection URL',
    rootUrl: 'API root URL',
    switchLanguage: 'Language',
  },
  zh: {
    tag: 'zh-Hans',
    name: '中文',
    plainTitle: 'TAXII 2.1 服务器',
    what: '这是一台 TAXII 2.1 服务器。各单位在这里以 STIX 2.1 对象的形式共享威胁情报。它面向程序：威胁情报平台、SIEM 产品和脚本轮询其中的集合。',
    publicCollections: '公开集合',
    forMembers: '面向成员的内容只有在 TAXII 客户端登录后才会列出。请向本服务器的运营者申请用户名。',
    contact: '联系方式',
    connect: '如何连接',
    discoveryUrl: '发现 URL',
    mediaType: '媒体类型',
    otherLogin: '登录方式：用户名和密码（HTTP Basic），或令牌（Bearer）。',
    onCommandLine: '在命令行中',
    inPython: '在 Python 中，使用 taxii2-client',
    collectionUrl: '集合 URL',
    rootUrl: 'API 根 URL',
    switchLanguage: '语言',
  },
};
