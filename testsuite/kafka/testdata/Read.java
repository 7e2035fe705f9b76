import com.google.protobuf.UnknownFieldSet;
import java.io.FileInputStream;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import slave.binlog.SecondaryBinlog.Binlog;
import slave.binlog.SecondaryBinlog.ColumnInfo;
import slave.binlog.SecondaryBinlog.Table;

/** Reads what is in partition 0 of topics: Read CLIENT-PROPERTIES TOPIC... A line a message. */
public final class Read {
  public static void main(String[] args) throws Exception {
    Properties props = new Properties();
    try (FileInputStream in = new FileInputStream(args[0])) {
      props.load(in);
    }
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      for (int i = 1; i < args.length; i++) {
        TopicPartition partition = new TopicPartition(args[i], 0);
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        while (consumer.position(partition) < end) {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
            print(record);
          }
        }
      }
    }
  }

  /** Prints topic, commit TS, mark, column definitions, and the message as the generated classes write it. */
  private static void print(ConsumerRecord<byte[], byte[]> record) throws Exception {
    Binlog binlog = Binlog.parseFrom(record.value());
    if (!binlog.getUnknownFields().equals(UnknownFieldSet.getDefaultInstance())) {
      throw new IllegalStateException("unknown fields at offset " + record.offset());
    }
    StringBuilder columns = new StringBuilder();
    for (Table table : binlog.getDmlData().getTablesList()) {
      for (ColumnInfo c : table.getColumnInfoList()) {
        columns.append(String.format("%s.%s:%s(%d,%d);",
            table.getTableName(), c.getName(), c.getMysqlType(), c.getFlen(), c.getDecimal()));
      }
    }
    Header mark = record.headers().lastHeader("pumphouse-drainer");
    System.out.printf("%s\t%d\t%s\t%s\t%s%n", record.topic(), binlog.getCommitTs(), mark == null ? "" : new String(mark.value(), "UTF-8"),
        columns, Base64.getEncoder().encodeToString(binlog.toByteArray()));
  }
}
