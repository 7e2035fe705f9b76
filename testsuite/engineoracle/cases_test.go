package engineoracle

import "strings"

// family is queries about one thing. A line without SELECT is a list of expressions, each of
// which is a query.
type family struct{ name, queries string }

var families = []family{
	{"literals", `
1, -1, 0, 18446744073709551615, 12345678901, 99999999999999999999
1.5, -1.50, 0.5, .5, 1e3, 1.5e-3, 1e20, -0.0
'a', '', "it's", 'it''s', 'a\nb', NULL, TRUE, FALSE
x'41', b'101', 0x41, x'', 0x4142 + 0, b'11' + 1, x'41' = 'A', 0x41 = 65
x'41' = 65
_latin1'a', N'x', _utf8mb4'é', _binary'ab'
DATE'2020-01-01', TIME'10:11:12.5', TIMESTAMP'2020-01-01 00:00:00.123'
DATE'2020-13-01'
TIME'xx'
TIMESTAMP'2020-01-01 25:00:00'
(1), ( 1 ), +1, -(1)
1 AS x, 2 y, 'a' ` + "`z z`" + `
`},
	{"arithmetic", `
1+1, 1 + 1 , 1-2, 2*3, 7/2, 7 DIV 2, 7%3, 7 MOD 3, -7%3, -7 DIV 2
1+1.5, 1.5*2.25, 1.5/3, 7.5%2, 1.5-3, 10/3, 10.00/3, 1/3.000, 2/3
1e0+1, '3'+4, '3.5abc'*2, 'abc'+1, 1e0/3, '10'/4, '7' DIV 2, '7.9' DIV 2
18446744073709551615+1
9223372036854775807+1
-9223372036854775807-2
9223372036854775807*2
CAST(1 AS UNSIGNED)-2
CAST(18446744073709551615 AS UNSIGNED)-1
1e308*10
1/0, 1 DIV 0, 1%0, 1.0/0, 1e0/0, NULL/0
NULL+1, 1-NULL, NULL*NULL
- 'a', - 1.5, -9223372036854775808, - -9223372036854775808, -NULL, -'12'
5 & 3, ~0, 1<<3, 5^1, 5|2, 1<<64, 1<<63, -1 >> 1, ~1, ~NULL, '5' & 3, 1.6 & 3
0.1+0.2, 0.1e0+0.2e0, 1e15, 1e14, 123456789.123e0, 1e-10, 1e0/3*3
1000000*1000000, 99999999999*1.1, 0.001*0.001
TRUE+TRUE, NOT 1 + 1, 1 = 1 + 0
DATE'2020-01-31'+0, TIME'10:11:12'+0, TIMESTAMP'2020-01-01 10:00:00.5'+0, DATE'2020-01-31'+1
5 % -3, -5 % 3, 5.5 % -2, -5.5 % 2
`},
	{"logic", `
1=1, 1<>1, 1<2, 1<=1, 1>2, 1>=2, 1<=>NULL, NULL<=>NULL, NULL=NULL, 1!=2
1 AND 1, 1 AND 0, 1 AND NULL, 0 AND NULL, NULL AND NULL, 1 && 1
1 OR NULL, 0 OR NULL, NULL OR NULL, 0 OR 1, 0 OR 0
1 XOR 1, 1 XOR 0, 1 XOR NULL, NOT 1, NOT 0, NOT NULL, !1
'a' AND 1, '1a' OR 0, 0.1 AND 1, '0.0' OR 0, 1e-20 AND 1
1 IS NULL, NULL IS NULL, NULL IS NOT NULL, 1 IS TRUE, 0 IS FALSE, NULL IS TRUE, NULL IS NOT TRUE, NULL IS UNKNOWN, 'a' IS TRUE
1 BETWEEN 0 AND 2, 1 NOT BETWEEN 0 AND 2, 3 BETWEEN 0 AND 2, NULL BETWEEN 1 AND 2, 3 BETWEEN NULL AND 2, 'b' BETWEEN 'a' AND 'C'
1 IN (1,2), 3 IN (1,2), 3 NOT IN (1,2), NULL IN (1), 1 IN (1,NULL), 2 IN (1,NULL), 2 NOT IN (1,NULL), 'A' IN ('a','b'), 1 IN ('1a')
(1,2)=(1,2), (1,2)<(1,3), (1,NULL)=(1,NULL), (1,2) IN ((1,2),(3,4)), (1,2)<>(1,3), (2,1)>=(2,0)
(1,2)=1
(1,2)=(1,2,3)
(1,2)
`},
	{"comparison", `
'a'='A', 'a'='a ', 'a'<'b', 1='1a', 'ä'='a', 'é'='e', 'ß'='s', 'abc'<'abcd', ''=' ', '1'=1.0, '1e1'=10
'a'='A' COLLATE utf8mb4_bin, 'a' COLLATE utf8mb4_bin = 'a ', BINARY 'a'='A', BINARY 'a'='a '
1=1.0, 1=1e0, 1.10=1.1, 18446744073709551615=-1, 18446744073709551615>0, -1<18446744073709551615
DATE'2020-01-01'='2020-01-01', DATE'2020-01-01'='20200101', '2020-1-1'=DATE'2020-01-01', DATE'2020-01-01'<'2020-01-02 00:00:00'
TIMESTAMP'2020-01-01 00:00:00'=DATE'2020-01-01', TIME'10:00:00'='10:00', TIME'10:00:00'<'9:00', DATE'2020-01-01'=20200101
NULL='a', 'a'=NULL, NULL>1
0='a', 0='', '0'='00', 0=NULL
STRCMP('a','b'), STRCMP('a','A'), STRCMP('b','a'), STRCMP(NULL,'a')
'_' < 'a', '_' < 'Z', 'Z' < 'a', '[' < 'a'
`},
	{"like", `
'abc' LIKE 'a%', 'abc' LIKE 'A_C', 'abc' LIKE '', '' LIKE '%', 'a%c' LIKE 'a\%c', 'abc' LIKE 'a\%c', 'abc' NOT LIKE 'x%'
'a_c' LIKE 'a|_c' ESCAPE '|', 'abc' LIKE 'a|_c' ESCAPE '|', 'aXbXc' LIKE '%x%x%', 'abcabc' LIKE '%abc', NULL LIKE 'a', 'a' LIKE NULL
'a' LIKE 'a ', 'é' LIKE 'e', 'é' LIKE '_', 'a' LIKE 'A' COLLATE utf8mb4_bin, 123 LIKE '1%', 1.5 LIKE '1.%'
'abc' REGEXP 'B', 'abc' REGEXP '^b', 'abc' RLIKE 'c$', 'abc' NOT REGEXP 'x', BINARY 'abc' REGEXP 'B', 'a.c' REGEXP 'a[.]c', NULL REGEXP 'a', 'ab12' REGEXP '[[:digit:]]+$'
`},
	{"control", `
IF(1,1.5,2.25), IF(0,1,'a'), IF(NULL,1,2), IF(1,NULL,2), IF('a',1,2), IF(1,1,2e0), IF(1,DATE'2020-01-01',2)
IFNULL(NULL,1), IFNULL(1,2), IFNULL('a',1), IFNULL(NULL,NULL), IFNULL(1,1.5), IFNULL(NULL,DATE'2020-01-01')
COALESCE(NULL,'a',1), COALESCE(NULL,NULL), COALESCE(1,2.5), COALESCE(NULL,1,2e0)
NULLIF(1,1), NULLIF(1,2), NULLIF('a','A'), NULLIF(NULL,1), NULLIF('a',1), NULLIF(1.5,1)
CASE WHEN 1 THEN 'a' ELSE 2 END, CASE 1 WHEN 1 THEN 1 WHEN 2 THEN 2.5 END, CASE WHEN NULL THEN 1 END, CASE 'a' WHEN 'A' THEN 1 ELSE 0 END, CASE NULL WHEN NULL THEN 1 ELSE 2 END
GREATEST(1,2), LEAST(1.5,2), GREATEST('a','b'), LEAST('a','B'), GREATEST(1,NULL), GREATEST('a',1), LEAST(1,2e0), GREATEST(3,1.25)
ISNULL(NULL), ISNULL(1), INTERVAL(23,1,15,17,30,44,200), INTERVAL(NULL,1)
IF(1,2,18446744073709551615), CASE WHEN 1 THEN 1 ELSE TRUE END
ABS(1,2)
IF(1,2)
NOSUCH(1)
x.y(1)
`},
	{"cast", `
CAST('12abc' AS SIGNED), CAST('-5' AS UNSIGNED), CAST(1.5 AS SIGNED), CAST(-1.5 AS SIGNED), CAST(2.5e0 AS SIGNED), CAST('1e3' AS SIGNED), CAST('' AS SIGNED), CAST(NULL AS SIGNED), CAST(' 7 ' AS SIGNED)
CAST(1.5 AS DECIMAL(10,3)), CAST('1.2345' AS DECIMAL(10,2)), CAST(1234.5 AS DECIMAL(3,1)), CAST('abc' AS DECIMAL), CAST(-99.999 AS DECIMAL(4,2)), CAST(1e2 AS DECIMAL(10,2))
CAST('x' AS CHAR(3)), CAST('abcdef' AS CHAR(3)), CAST(1 AS CHAR), CAST(1.50 AS CHAR), CAST(NULL AS CHAR), CAST('ab' AS BINARY), CAST('ab' AS BINARY(4)), BINARY 'a', CAST(DATE'2020-01-01' AS CHAR), CAST(1e20 AS CHAR)
CAST('2020-01-31' AS DATE), CAST('2020-02-31' AS DATE), CAST('2020-01-31 10:11:12' AS DATE), CAST('x' AS DATE), CAST(20200131 AS DATE), CAST('20-1-5' AS DATE), CAST(NULL AS DATE)
CAST('2020-01-31 10:11:12.567' AS DATETIME), CAST('2020-01-31 10:11:12.567' AS DATETIME(2)), CAST('2020-01-31T10:11:12' AS DATETIME), CAST('2020-01-31' AS DATETIME), CAST(20200131101112 AS DATETIME)
CAST('10:11' AS TIME), CAST('10:11:12.5' AS TIME(1)), CAST('-1:00:00' AS TIME), CAST('900:00:00' AS TIME), CAST(101112 AS TIME), CAST('1 10:00:00' AS TIME), CAST('2020-01-01 10:11:12' AS TIME)
CAST(1 AS DOUBLE), CAST('1.5x' AS DOUBLE), CONVERT('a', CHAR), CONVERT('1', SIGNED), CONVERT('a' USING latin1), CONVERT('é' USING utf8mb4)
CAST(18446744073709551615 AS SIGNED), CAST(-1 AS UNSIGNED), CAST('18446744073709551615' AS UNSIGNED), CAST(1.9e0 AS UNSIGNED), CAST(0x41 AS SIGNED), CAST(x'41' AS CHAR)
CAST(1 AS DECIMAL(70,1))
CAST(1 AS DECIMAL(10,11))
'a' COLLATE utf8mb4_bin, 'a' COLLATE utf8mb4_general_ci
'a' COLLATE latin1_bin
`},
	{"strings", `
CONCAT('a','b'), CONCAT(1,2.5), CONCAT('a',NULL), CONCAT('a'), CONCAT(1e0,'x'), CONCAT(x'41','b'), CONCAT(DATE'2020-01-01','!'), CONCAT_WS(',','a',NULL,'b'), CONCAT_WS(NULL,'a','b'), CONCAT_WS('-',1,2)
LENGTH('abc'), LENGTH('é'), CHAR_LENGTH('é'), CHARACTER_LENGTH(''), LENGTH(NULL), LENGTH(123), OCTET_LENGTH('ab'), BIT_LENGTH('a')
UPPER('é'), LOWER('ÀB'), UCASE('a'), LCASE('B'), UPPER(NULL), UPPER(12), REVERSE('abc'), REVERSE('éa'), REVERSE(123)
LEFT('abc',2), LEFT('abc',-1), LEFT('abc',10), RIGHT('abc',2), RIGHT('éa',1), RIGHT('abc',0), LEFT(NULL,1), LEFT('a',NULL), LEFT(12345,2)
SUBSTRING('abcdef',2), SUBSTRING('abcdef',2,3), SUBSTRING('abcdef',-3), SUBSTRING('abcdef',-3,2), SUBSTRING('abc',0), SUBSTRING('abc',4), SUBSTRING('abc',-4), SUBSTR('abc' FROM 2 FOR 1), MID('abc',2,1), SUBSTRING('abc',1,-1)
SUBSTRING_INDEX('a.b.c','.',2), SUBSTRING_INDEX('a.b.c','.',-1), SUBSTRING_INDEX('a.b.c','.',0), SUBSTRING_INDEX('a.b.c','x',1), SUBSTRING_INDEX('a.b.c','.',-5), SUBSTRING_INDEX('abc','',1)
TRIM(' a '), LTRIM(' a '), RTRIM(' a '), TRIM(BOTH 'x' FROM 'xxaxx'), TRIM(LEADING 'x' FROM 'xxaxx'), TRIM(TRAILING 'ax' FROM 'baxax'), TRIM('x' FROM 'xax'), TRIM(NULL), TRIM(LEADING FROM ' a ')
REPLACE('abc','b','x'), REPLACE('aaa','a','bb'), REPLACE('abc','','x'), REPLACE('abc','B','x'), REPLACE(NULL,'a','b'), REPLACE('a','a',NULL)
INSTR('abc','B'), INSTR('abc','x'), INSTR('abc',''), LOCATE('b','abc'), LOCATE('b','abcb',3), LOCATE('b','abc',10), LOCATE('','abc'), POSITION('c' IN 'abc'), INSTR('éab','a'), LOCATE('a','a',0), LOCATE(NULL,'a')
REPEAT('ab',3), REPEAT('ab',0), REPEAT('ab',-1), REPEAT(NULL,2), SPACE(3), SPACE(-1), LPAD('a',5,'xy'), RPAD('a',5,'xy'), LPAD('abc',2,'x'), LPAD('a',-1,'x'), LPAD('a',3,''), RPAD('a',3)
HEX('abc'), HEX(255), HEX(-1), HEX(1.5), HEX(NULL), HEX('é'), UNHEX('4142'), UNHEX('4'), UNHEX('xx'), UNHEX(NULL), HEX(x'0102')
FIND_IN_SET('b','a,b'), FIND_IN_SET('B','a,b'), FIND_IN_SET('','a,,b'), FIND_IN_SET('x',''), FIND_IN_SET('a,b','a,b'), FIND_IN_SET(NULL,'a')
FIELD('b','a','b'), FIELD('B','a','b'), FIELD(2,1,2), FIELD(NULL,NULL), FIELD('1',1,2), ELT(2,'a','b'), ELT(0,'a'), ELT(3,'a','b'), ELT(1,NULL,'b'), ELT(1,1,2), ELT(NULL,'a')
ASCII('a'), ASCII(''), ASCII('é'), ORD('é'), ORD('a'), CHAR(65), CHAR(65,66), CHAR(256), CHAR(NULL), CHAR(65 USING utf8mb4), ASCII(NULL), ASCII(2)
FORMAT(1234.567,2), FORMAT(1234567,0), FORMAT(-1234.5,1), FORMAT('12345.678',2), FORMAT(0.5,0), FORMAT(NULL,2), FORMAT(12,-1), FORMAT(1e10,1)
QUOTE('it''s'), QUOTE(NULL), QUOTE('a\\b'), QUOTE(1), INSERT('Quadratic',3,4,'What'), INSERT('abc',5,1,'x'), INSERT('abc',2,100,'x'), INSERT('abc',1,0,'x')
MD5('a'), SHA1('a'), SHA('a'), SHA2('a',256), SHA2('a',0), SHA2('a',224), SHA2('a',384), SHA2('a',512), MD5(NULL), MD5(1), CRC32('a'), TO_BASE64('abc'), FROM_BASE64('YWJj')
'a' || 'b', 'a' 'b' = 'ab'
CONV('ff',16,10), CONV(10,10,2), CONV(-1,10,16), CONV('zz',36,-10), CONV(1,1,10), BIN(5), OCT(9), BIT_COUNT(7)
`},
	{"math", `
ABS(-1), ABS(-1.5), ABS(-1e0), ABS('-3'), ABS(NULL), ABS(18446744073709551615), SIGN(-3), SIGN(0.5), SIGN('-1'), SIGN(NULL), SIGN(0)
CEIL(1.5), CEIL(-1.5), CEILING(1e0), CEIL('1.2'), FLOOR(1.5), FLOOR(-1.5), FLOOR(2), FLOOR(1.5e0), CEIL(NULL)
ROUND(1.567,2), ROUND(1.5), ROUND(2.5), ROUND(-1.5), ROUND(1.5e0), ROUND(2.5e0), ROUND(15,-1), ROUND(14,-1), ROUND(1.45,1), ROUND(1.005e0,2), ROUND('1.567',1), ROUND(NULL), ROUND(1.5,NULL), ROUND(123.456,-2), ROUND(1.5,10)
TRUNCATE(1.567,1), TRUNCATE(-1.567,1), TRUNCATE(156,-1), TRUNCATE(1.999e0,2), TRUNCATE(1.5,5), TRUNCATE(NULL,1)
MOD(7,3), MOD(7.5,2), MOD(7,0), MOD(-7,3), MOD(NULL,1), MOD('7',4)
POW(2,3), POWER(2,0.5), POW(NULL,1), SQRT(4), SQRT(-1), SQRT(2), EXP(0), EXP(1), LN(1), LN(0), LOG(2,8), LOG(1), LOG2(8), LOG10(1000), LOG(-1)
PI(), PI()+0, SIN(0), COS(0), TAN(0), ATAN(1), ATAN2(1,1), ASIN(2), ACOS(1), DEGREES(PI()), RADIANS(180)
COT(1)
PI()*2, PI()/2, PI()+1.5, PI()*1e0
POW(10,400)
EXP(1000)
GREATEST(1), 1
`},
	{"dates", `
DATE'2020-01-31' + INTERVAL 1 MONTH, '2020-01-31' + INTERVAL 1 MONTH, DATE'2020-01-01' + INTERVAL 1 HOUR, DATE_ADD('2020-01-01', INTERVAL 1 HOUR), INTERVAL 1 DAY + '2020-01-01', DATE'2020-03-31' - INTERVAL 1 MONTH
DATE_SUB('2020-01-01 00:00:00', INTERVAL 1 SECOND), DATE_ADD('2020-01-01', INTERVAL '1:30' MINUTE_SECOND), DATE_ADD('2020-01-01', INTERVAL '1 2' DAY_HOUR), DATE_ADD('2020-01-01 10:00:00', INTERVAL '-1 10' DAY_HOUR), DATE_ADD('2020-01-01', INTERVAL '1-2' YEAR_MONTH), DATE_ADD(NULL, INTERVAL 1 DAY), DATE_ADD('x', INTERVAL 1 DAY)
TIMESTAMP'2020-01-01 00:00:00' + INTERVAL 1.5 SECOND, TIMESTAMP'2020-01-01 00:00:00' + INTERVAL 100 MICROSECOND, TIME'10:00:00' + INTERVAL 1 HOUR, DATE'9999-12-31' + INTERVAL 1 DAY, DATE'2020-01-01' + INTERVAL 2 WEEK, DATE'2020-01-01' + INTERVAL 1 QUARTER
ADDDATE('2020-01-01', 5), SUBDATE('2020-01-01', INTERVAL 1 DAY), ADDDATE(DATE'2020-01-01', 5)
TIMESTAMPDIFF(DAY,'2020-01-01','2020-02-01'), TIMESTAMPDIFF(MONTH,'2020-01-31','2020-02-29'), TIMESTAMPDIFF(YEAR,'2020-02-29','2021-02-28'), TIMESTAMPDIFF(SECOND,'2020-01-01','2020-01-01 00:01:00'), TIMESTAMPDIFF(HOUR,'2020-01-02','2020-01-01'), TIMESTAMPDIFF(MICROSECOND,'2020-01-01','2020-01-01 00:00:00.5'), TIMESTAMPDIFF(DAY,NULL,'2020-01-01'), TIMESTAMPADD(DAY,1,'2020-01-01')
DATE_FORMAT('2020-01-05 13:04:05.678','%Y-%m-%d %H:%i:%s'), DATE_FORMAT('2020-01-05','%y %c %e %D %M %b %W %a %w %j'), DATE_FORMAT('2020-01-05 13:04:05','%h %I %l %k %p %r %T %f %%'), DATE_FORMAT('2020-01-05','%U %u %V %v %X %x'), DATE_FORMAT('x','%Y'), DATE_FORMAT(NULL,'%Y'), DATE_FORMAT('2020-01-01','%q'), TIME_FORMAT('10:11:12','%H-%i')
FROM_UNIXTIME(0), FROM_UNIXTIME(1.5), FROM_UNIXTIME(0,'%Y'), FROM_UNIXTIME(NULL), FROM_UNIXTIME(-1), FROM_UNIXTIME(1700000000)
FROM_UNIXTIME('100')
UNIX_TIMESTAMP('2020-01-01 00:00:00'), UNIX_TIMESTAMP('2020-01-01 00:00:00.5'), UNIX_TIMESTAMP(NULL), UNIX_TIMESTAMP(20200101), UNIX_TIMESTAMP(DATE'2020-01-01'), UNIX_TIMESTAMP('x')
UNIX_TIMESTAMP('1960-01-01')
VERSION()
'a' 'b'
YEAR('2020-05-06'), MONTH('2020-05-06'), DAY('2020-05-06'), DAYOFMONTH('2020-05-06'), HOUR('10:11:12'), MINUTE('10:11:12'), SECOND('10:11:12'), MICROSECOND('10:11:12.5'), QUARTER('2020-05-06'), YEAR(NULL), YEAR('x')
DAYOFWEEK('2020-05-06'), WEEKDAY('2020-05-06'), DAYOFYEAR('2020-05-06'), WEEK('2020-01-01'), WEEK('2020-01-01',1), WEEK('2020-01-01',3), WEEKOFYEAR('2020-12-31'), YEARWEEK('2020-01-01'), DAYNAME('2020-05-06'), MONTHNAME('2020-05-06'), LAST_DAY('2020-02-05')
WEEK('2021-01-01',0), WEEK('2021-01-01',1), WEEK('2021-01-01',2), WEEK('2021-01-01',3), WEEK('2021-01-01',4), WEEK('2021-01-01',5), WEEK('2021-01-01',6), WEEK('2021-01-01',7)
DATEDIFF('2020-01-05','2020-01-01'), DATEDIFF('2020-01-01 23:59:59','2020-01-02'), TO_DAYS('2020-01-01'), FROM_DAYS(737790), TIME_TO_SEC('01:00:01'), SEC_TO_TIME(3661), TO_SECONDS('2020-01-01'), DATE('2020-01-01 10:00:00'), TIME('2020-01-01 10:11:12'), TIMESTAMP('2020-01-01')
EXTRACT(YEAR FROM '2020-05-06'), EXTRACT(YEAR_MONTH FROM '2020-05-06'), EXTRACT(DAY_MINUTE FROM '2020-05-06 10:11:12'), EXTRACT(HOUR FROM TIME'10:11:12'), EXTRACT(MICROSECOND FROM '2020-01-01 00:00:00.5'), TIMEDIFF('10:00:00','09:00:00'), TIMEDIFF('2020-01-02 00:00:00','2020-01-01 00:00:00')
STR_TO_DATE('01,5,2013','%d,%m,%Y'), STR_TO_DATE('May 1, 2013','%M %d,%Y'), STR_TO_DATE('a09:30:17','a%h:%i:%s'), STR_TO_DATE('09:30:17a','%h:%i:%s'), STR_TO_DATE('2026-11-27 23:02:25.841','%Y-%m-%d %H:%i:%s.%f'), STR_TO_DATE('x','%Y'), STR_TO_DATE(NULL,'%Y'), STR_TO_DATE('2013 100','%Y %j'), STR_TO_DATE('200442 Monday','%X%V %W'), STR_TO_DATE('12:30:00 AM','%r'), STR_TO_DATE('26-feb-3','%y-%b-%e')
CONVERT_TZ('2004-01-01 12:00:00','+00:00','+00:00'), CONVERT_TZ(NULL,'+00:00','+00:00')
TIMESTAMP('2003-12-31 12:00:00','12:00:00'), TIMESTAMP('2003-12-31','-00:00:01'), TIMESTAMP(NULL,'1:00:00'), TIMESTAMP('2020-01-01 00:00:00','00:00:00.25')
ADDTIME('2007-12-31 23:59:59.999999', '1 1:1:1.000002'), ADDTIME('01:59:59.999999', '02:00:00.999998'), ADDTIME('01:00:00', '-02:00:00'), ADDTIME(CAST('100:00:00' AS TIME), '00:00:01'), ADDTIME(NULL,'1:00:00'), SUBTIME('2007-12-31 23:59:59','1 1:1:1'), SUBTIME(CAST('2020-01-01 00:00:00' AS DATETIME), '0:0:1'), SUBTIME('10:00:00', NULL)
REGEXP_SUBSTR('abc def ghi','[d-f]+'), REGEXP_INSTR('dog cat dog','cat'), REGEXP_INSTR('abc','x'), REGEXP_REPLACE('a1b22c','[0-9]+','-'), REGEXP_REPLACE('abc','x','y')
`},
	{"info", `
DATABASE(), SCHEMA(), USER(), CURRENT_USER(), CURRENT_USER, SESSION_USER(), FOUND_ROWS(), LAST_INSERT_ID()
CHARSET('a'), COLLATION('a'), COERCIBILITY('a'), COERCIBILITY(1), COERCIBILITY(NULL), COERCIBILITY(USER()), COERCIBILITY('a' COLLATE utf8mb4_bin), CHARSET(1), COLLATION(NULL), CHARSET(x'41'), COERCIBILITY(CONCAT('a',1))
SLEEP(0)
@nosuch, @a:=1, @b:='x', @c:=1.5, @d:=NULL
@a, @b, @a+1, CONCAT(@b,'y'), @A
@c
@@nosuch
x
`},
	{"from", `
select * from pumps
select id, node, state from pumps where state = 'online' order by id
select p.* from pumps p where p.id > 2 order by p.id desc
select node n, score*2 from pumps order by score
select node from pumps order by score desc, id limit 2
select node from pumps order by id limit 1, 2
select node from pumps order by 1 desc
select id+1 as x from pumps having x > 3 order by x
select distinct lower(state) from pumps order by 1
select nosuch from pumps
select id from pumps where nosuch = 1
select id from pumps order by nosuch
select x.* from pumps
select * from nosuch
select pumps.id from pumps p
select id from pumps, drainers
select id from pumps order by 9
select node, ts from pumps where ts > 470642465486929921 order by ts
select seen, date(seen), seen + interval 1 day, hour(seen) from pumps order by id
select id from pumps where seen > '2024-06-01' order by id
select id from pumps where node like 'PUMP%' and id in (1,3) order by id
select load_avg, load_avg/2, score+load_avg from pumps order by id
select 1 from pumps where 0
select took, time_to_sec(took), day, day + interval 1 month from drainers order by id
select ifnull(state,'none'), coalesce(score,0), nullif(id,1) from pumps order by id
select max(seen), min(day) from pumps, drainers
`},
	{"as in MySQL 8", `
select 1 union select 2 intersect select 3
select 1 intersect select 1 union select 2 except select 2 intersect select 3
select 1 union all select 1 union select 2 intersect select 2
(select 1 union select 2) intersect select 2
TO_DAYS('0000-00-00'), TO_DAYS('0000-01-01'), TO_DAYS('0000-03-01')
TO_SECONDS('0000-00-00')
'a\nb' REGEXP 'a.b', 'a\nb' REGEXP '^b', 'ab\n' REGEXP 'b$', 'ab\n\n' REGEXP 'b$'
FROM_UNIXTIME(4102444800)
FROM_UNIXTIME(32536771200)
UNIX_TIMESTAMP('2100-01-01 00:00:00')
`},
	{"exact", `
9007199254740993 = '9007199254740992'
9007199254740993 <=> '9007199254740992'
470763089353768990 < '470763089353768991'
470763089353768990 >= '470763089353768991'
9223372036854775807 = '9223372036854775808'
18446744073709551615 = '18446744073709551616'
470763089353768990 IN ('7', '470763089353768991')
NULLIF(470763089353768990, '470763089353768991')
CASE 470763089353768990 WHEN '470763089353768991' THEN 1 ELSE 0 END
470763089353768990 IN (SELECT '470763089353768991')
470763089353768990 = JSON_EXTRACT('[470763089353768991]', '$[0]')
select count(*) from pumps WHERE ts = '470642465486929922'
select count(*) from pumps WHERE ts >= '470642465486929922'
select count(*) from pumps p JOIN (SELECT '470642465486929922' AS ts) x ON x.ts = p.ts
select count(*) from pumps p JOIN (SELECT '470642465486929922' AS ts) x USING (ts)
`},
	{"group", `
select count(*), count(score), sum(score), avg(score), min(score), max(score) from pumps
select sum(id), avg(id), sum(load_avg), avg(load_avg), max(node), min(node), sum(ts) from pumps
select count(*), sum(id), max(id) from pumps where 0
select state, count(*) c from pumps group by state order by state
select lower(state) s, group_concat(node order by node separator ';') from pumps group by s order by s
select pump_id, sum(delay), max(day) from drainers group by pump_id order by pump_id
select pump_id, count(*) c from drainers group by pump_id having c > 1
select pump_id from drainers group by pump_id having sum(delay) > 5 order by sum(delay) desc
select count(distinct pump_id), count(distinct pump_id, delay), sum(distinct pump_id) from drainers
select count(*)+1, sum(delay)/count(*) from drainers
select group_concat(id), group_concat(distinct pump_id order by pump_id desc), bit_or(id), bit_and(id), bit_xor(id) from drainers
select id from pumps where sum(id) > 1
select sum(count(*)) from pumps
select count(*), sum(1), avg(1), min(1), max('a'), sum(1.5), sum(1e0), avg(1.5)
select 1, count(*) from pumps group by 1
select avg(v), sum(v) / 3 from (select 40.42550 as v union all select 0.00000 union all select 0.00000) t
select avg(id / 7), avg(1 / 10.125), avg(1 / score), sum(1 / id) from pumps
`},
	{"joins", `
select p.node, d.node from pumps p join drainers d on p.id = d.pump_id order by d.id
select p.node, d.node from pumps p left join drainers d on p.id = d.pump_id order by p.id, d.id
select p.node, d.node from pumps p right join drainers d on p.id = d.pump_id order by d.id
select p.node, d.node from pumps p, drainers d where p.id = d.pump_id and d.delay > 10
select count(*) from pumps cross join drainers
select * from drainers join pumps using (id) order by id
select * from drainers natural join pumps
select id, d.node from drainers d left join pumps p using (id) order by id
select p.node from pumps p join pumps p on 1
select a.id, b.id from pumps a join pumps b on a.id < b.id order by 1,2 limit 3
select p.id, count(d.id) from pumps p left join drainers d on d.pump_id = p.id group by p.id order by p.id
select * from pumps p join drainers d on p.id = d.nosuch
`},
	{"subqueries", `
(select 1), exists(select 1), 1 in (select 1), exists(select 1 from dual where 0), (select 1 from dual where 0)
select (select max(id) from pumps), id in (select pump_id from drainers) from pumps order by id
select node from pumps p where exists (select 1 from drainers d where d.pump_id = p.id) order by id
select node from pumps p where not exists (select 1 from drainers d where d.pump_id = p.id) order by id
select node, (select count(*) from drainers d where d.pump_id = p.id) c from pumps p order by id
select id from pumps where id > all (select pump_id from drainers where pump_id < 3) order by id
select id from pumps where id = any (select pump_id from drainers) order by id
select id from pumps where id not in (select pump_id from drainers) order by id
select (select id from pumps)
select (select 1, 2)
select x.n from (select node n, id from pumps where id < 3) x order by x.id desc
select count(*) from (select distinct pump_id from drainers) t
select 1 union select 2 union select 1 order by 1
select 1 union all select 1
select 'a' union select 1.5
select 1 union select 1.50
select 1, 2 union select 1
select id from pumps union select pump_id from drainers order by id desc limit 2
(select 1) union (select 2) limit 1
select node from pumps union all select 'x' order by node
select NULL union select 'a'
with t as (select id, node from pumps) select node from t where id = 2
select (1,2) in (select 1,2)
select 1 as a, 2 as a
select * from (select 1 as a, 2 as a) t
select id from pumps where (id, node) in (select id, 'pump1' from drainers)
`},
}

// all are the family's queries.
func (f family) all() (queries []string) {
	for line := range strings.Lines(f.queries) {
		line = strings.TrimSpace(line)
		lower := strings.ToLower(line)
		switch {
		case line == "":
		case strings.HasPrefix(lower, "select") || strings.HasPrefix(lower, "(select") || strings.HasPrefix(lower, "with"):
			queries = append(queries, line)
		default:
			for _, e := range expressions(line) {
				queries = append(queries, "SELECT "+e)
			}
		}
	}
	return queries
}

// expressions splits a select list at the commas that are in no parentheses and no quotes.
func expressions(list string) (all []string) {
	depth, quote, from := 0, byte(0), 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			all = append(all, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	return append(all, strings.TrimSpace(list[from:]))
}
